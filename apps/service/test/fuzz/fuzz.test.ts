import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ask } from '../ask.ts'
import { API_KEY, mutating, startFixture, type Fixture } from '../service-fixture.ts'
import { contentOf, keysOf } from './redis-keys.ts'
import {
  closeConnections,
  fittingRequestsTo,
  requestsTo,
  send,
  type Credentials,
  type FuzzAnswer,
  type FuzzRequest,
} from './requests.ts'
import { listenToRoutes, type ServedRoute } from './routes.ts'

/** Requests to each route; `FUZZ_RUNS=1000 pnpm --filter @corral/service fuzz` for a long run. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 20)
const TIME = Math.max(60_000, RUNS * 3000)

let fixture: Fixture
let url: string
let routes: readonly ServedRoute[]
/** What lets requests in. */
let good: Readonly<Record<string, string>>
/** What let them in once, or looks like it. */
let wrong: Readonly<Record<string, string>>
const prototypes = [Object.prototype, Array.prototype, String.prototype, Function.prototype]
const ownNames = () => prototypes.map((one) => Reflect.ownKeys(one).map(String))
const namesBefore = ownNames()

beforeAll(async () => {
  const listened = await listenToRoutes(() =>
    startFixture({
      DATABASE_LATENCY: '0ms',
      LOGIN_LIMIT: '100000',
      SESSION_LIMIT: '1000000',
      USER_LIMIT: '1000000',
    }),
  )
  fixture = listened.built
  ;({ routes } = listened)
  url = await fixture.service.start()
  wrong = { ...(await login()), 'x-api-key': `${API_KEY}.` }
  await ask('DELETE', `${url}/api/users/1/tokens`, { headers: mutating })
  good = await login()
})
afterAll(async () => {
  closeConnections()
  await fixture[Symbol.asyncDispose]()
})

async function login(): Promise<Record<string, string>> {
  const body = { userId: 1 }
  const token = await ask('POST', `${url}/api/tokens`, { body, headers: mutating })
  const session = await ask('POST', `${url}/api/sessions`, { body, headers: mutating })
  return {
    ...mutating,
    authorization: `Bearer ${(token.body as { token: string }).token}`,
    cookie: (session.headers.get('set-cookie') ?? '').split(';')[0] ?? '',
  }
}

/** Sends a request; one that is asked to come again, as this machine was too slow, does. */
async function answerTo(request: FuzzRequest): Promise<FuzzAnswer> {
  const own = { good, wrong, none: {} }[request.credentials]
  for (let time = 0; ; time++) {
    const answer = await send(url, { ...request, headers: { ...own, ...request.headers } })
    if (answer.status !== 503 || !answer.retryAfter || time === 3) return answer
  }
}

/** A route's requests may have ended the login that they were let in with. */
async function stayLoggedIn(): Promise<void> {
  const me = await ask('GET', `${url}/api/me`, { headers: good })
  const session = await ask('GET', `${url}/api/session`, { headers: good })
  if (me.status !== 200 || session.status !== 200) good = await login()
}

const nameOf = ({ method, url: path }: ServedRoute): string => `${method} ${path}`

async function jobsAreDone(): Promise<void> {
  await vi.waitFor(
    async () => {
      const { body } = await ask('GET', `${url}/api/jobs`)
      expect(body).toMatchObject({ waiting: 0, active: 0 })
    },
    { timeout: TIME, interval: 100 },
  )
}

describe('requests to every route', () => {
  it(
    'are answered, whatever they hold, and touch nothing that is not theirs',
    async () => {
      expect(routes.length).toBeGreaterThan(30)
      await fixture.redis.command('SET', 'precious', 'value')
      for (const route of routes) {
        let reached = false
        const check = async (request: FuzzRequest): Promise<void> => {
          const { status, text, type } = await answerTo(request)
          expect(status).toBeGreaterThanOrEqual(200)
          expect(status, text).toBeLessThan(500)
          expect(text).not.toMatch(/\n +at |node_modules/)
          if (status >= 400 && request.method !== 'HEAD') {
            expect(type).toContain('application/problem+json')
          }
          // Which the handler alone answers, or that there is nothing of this name.
          reached ||= status < 300 || status === 404
          if (/token|session/.test(route.url)) await stayLoggedIn()
        }
        const credentials = fc.constantFrom<Credentials>('good', 'good', 'good', 'wrong', 'none')
        await fc.assert(fc.asyncProperty(requestsTo(route, credentials), check), { numRuns: RUNS })
        // What always stops at the door proves nothing.
        const welcome = fc.sample(fittingRequestsTo(route, fc.constant('good')), 200)
        for (const request of welcome) {
          if (!reached) await check(request)
        }
        expect(reached, nameOf(route)).toBe(true)
      }
      await jobsAreDone()

      const own =
        /^(service:v1(:app|:auth)?::|corral:[a-z-]+:\{service:v1(:app|:auth)?[:}]|bull:service:)/
      const foreign = (await keysOf(fixture.redis)).filter((key) => !own.test(key))
      expect(foreign).toEqual(['precious'])
      expect(await fixture.redis.command('GET', 'precious')).toBe('value')
      expect(ownNames()).toEqual(namesBefore)
      expect('polluted' in {}).toBe(false)
      expect((await ask('GET', `${url}/health`)).body).toMatchObject({ status: 'ok' })
    },
    TIME,
  )

  it(
    'change nothing without what lets them in',
    async () => {
      await jobsAreDone()
      const rooms = routes.filter(({ method, guard }) => method !== 'GET' && guard !== 'nothing')
      expect(new Set(rooms.map(({ guard }) => guard))).toEqual(new Set(['key', 'token', 'session']))
      // Something of every kind, and nothing that ends by itself meanwhile.
      await fixture.redis.command('FLUSHALL')
      good = await login()
      const headers = good
      const entries = [{ key: 'kept', value: 1 }]
      await ask('PUT', `${url}/api/results`, { body: { entries }, headers })
      await ask('PUT', `${url}/api/flags/known-flag`, { body: { value: true }, headers })
      await ask('PUT', `${url}/api/me/drafts/kept`, { body: { text: 'kept' }, headers })
      await ask('POST', `${url}/api/cache/lock/acquire`, {
        body: { resource: 'kept', ttl: 3600 },
        headers,
      })
      // Limits count whoever asks, and the worker keeps its own clock.
      const watched = (key: string) => !/^corral:limit:|stalled/.test(key)
      const users = () => Promise.all([1, 7, 200].map((id) => ask('GET', `${url}/api/users/${id}`)))
      const usersBefore = (await users()).map(({ body: user }) => user)
      const before = await contentOf(fixture.redis, watched)
      expect(before.length).toBeGreaterThan(8)
      for (const route of rooms) {
        const credentials = fc.constantFrom('wrong', 'none' as const)
        // Key and token are looked at before anything else, once the address is found.
        const addressFits = !route.url.includes(':') && route.guard !== 'session'
        const requests = addressFits ? requestsTo : fittingRequestsTo
        await fc.assert(
          fc.asyncProperty(requests(route, credentials), async (request) => {
            const { status } = await answerTo(request)
            const known = route.guard === 'key' && request.credentials === 'wrong'
            expect(status).toBe(known ? 403 : 401)
          }),
          { numRuns: RUNS },
        )
      }
      expect(await contentOf(fixture.redis, watched)).toEqual(before)
      expect((await users()).map(({ body: user }) => user)).toEqual(usersBefore)
      // They would have, with it.
      expect((await ask('GET', `${url}/api/me/drafts/kept`, { headers })).status).toBe(200)
      expect((await ask('DELETE', `${url}/api/tokens`, { headers })).status).toBe(204)
      expect(await contentOf(fixture.redis, watched)).not.toEqual(before)
    },
    TIME,
  )
})

describe('what is not a request', () => {
  it(
    'is answered with 400, or not at all',
    async () => {
      const { hostname, port } = new URL(url)
      const line = fc.constantFrom('GET / HTTP/1.1', 'GET /health HTTP/1.1', 'BREW / HTTP/9', '')
      await fc.assert(
        fc.asyncProperty(line, fc.uint8Array({ maxLength: 300 }), async (start, bytes) => {
          const socket = connect(Number(port), hostname)
          const chunks: Buffer[] = []
          socket.on('data', (chunk: Buffer) => chunks.push(chunk))
          socket.on('error', () => {})
          socket.end(Buffer.concat([Buffer.from(`${start}\r\n`), bytes, Buffer.from('\r\n\r\n')]))
          await once(socket, 'close')
          const text = Buffer.concat(chunks).toString()
          expect(text).toMatch(/^(HTTP\/1\.1 [24]\d\d |$)/)
        }),
        { numRuns: RUNS * 5 },
      )
      expect((await ask('GET', `${url}/health`)).status).toBe(200)
    },
    TIME,
  )
})
