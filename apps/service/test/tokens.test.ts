import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../src/config.ts'
import { buildService, type Service } from '../src/service.ts'
import { ask, type Answer } from './ask.ts'
import { environment, mutating, startFixture, type Fixture } from './service-fixture.ts'

/*
 * Two instances on one Redis, each with a database of its own: what one of them is told reaches the
 * other through the auth cache or not at all.
 */

let fixture: Fixture
let other: Service
let here: string
let there: string

const LOGIN_LIMIT = '6'

beforeAll(async () => {
  fixture = await startFixture({ LOGIN_LIMIT })
  const settings = { ...environment(fixture.redis.url), LOGIN_LIMIT, DATABASE_LATENCY: '0ms' }
  other = await buildService(readConfig(settings))
  here = await fixture.service.start()
  there = await other.start()
})
afterAll(async () => {
  await other.close()
  await fixture[Symbol.asyncDispose]()
})

const login = (userId: number, at = here) =>
  ask('POST', `${at}/api/tokens`, { body: { userId }, headers: mutating })
async function tokenOf(userId: number, at = here): Promise<string> {
  const answer = await login(userId, at)
  expect(answer.status).toBe(201)
  return (answer.body as { token: string }).token
}
const me = (token: string | undefined, at = here) =>
  ask('GET', `${at}/api/me`, token === undefined ? {} : { token })

async function queriesOf(at: string): Promise<number> {
  const stats = await ask('GET', `${at}/api/cache/stats`)
  return (stats.body as { source: { queries: number } }).source.queries
}

function expectRefused(answer: Answer): void {
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
}

describe('a token', () => {
  it('is looked up at the source once, and says who asks', async () => {
    const answer = await login(1)
    expect(answer.body).toEqual({
      token: expect.stringMatching(/^[\w-]{43}$/),
      userId: 1,
      expiresAt: expect.any(Number),
    })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const { token } = answer.body as { token: string }
    const before = await queriesOf(here)
    for (let time = 0; time < 5; time++) {
      expect((await me(token)).body).toMatchObject({ user: { id: 1, name: 'User 1' } })
    }
    expect((await queriesOf(here)) - before).toBe(1)
    // The other instance has never heard of it, but for what Redis holds.
    expect((await me(token, there)).status).toBe(200)
  })

  it('is nowhere in Redis', async () => {
    const token = await tokenOf(2)
    await me(token)
    const everything: string[] = []
    for (const key of (await fixture.redis.command('KEYS', '*')) as string[]) {
      everything.push(key, String(await fixture.redis.command('DUMP', key)))
    }
    expect(everything.some((text) => text.includes('service:v1:auth'))).toBe(true)
    expect(everything.join('\n')).not.toContain(token)
  })

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['a made-up one', 'made-up'],
    ['a very long one', 'x'.repeat(9000)],
    ['a JWT', 'e30.e30.'],
  ])('is wanted, and a good one: not %s', async (_, token) => {
    expectRefused(await me(token))
    const put = await ask('PUT', `${here}/api/me/drafts/a`, {
      ...(token === undefined ? {} : { token }),
      body: {},
    })
    expectRefused(put)
    // The key is for those who act for everybody, and nobody's token.
    expectRefused(await ask('DELETE', `${here}/api/tokens`, { headers: mutating }))
  })

  it('is for users that are there, and not too often', async () => {
    expect((await login(201)).status).toBe(404)
    for (let time = 0; time < 6; time++) expect((await login(3, there)).status).toBe(201)
    const refused = await login(3)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})

describe('a token that was revoked', () => {
  it('is refused everywhere from the moment that its logout is answered', async () => {
    const token = await tokenOf(4)
    const spared = await tokenOf(4)
    for (const at of [here, there]) expect((await me(token, at)).status).toBe(200)
    await me(spared)
    // Where it is logged out nothing stands in the table: that it ends here is the auth cache's doing.
    expect((await ask('DELETE', `${there}/api/token`, { token })).status).toBe(204)
    for (const at of [here, there]) expectRefused(await me(token, at))
    expect((await me(spared)).status).toBe(200)
  })

  it('is refused even to those whose look at the source was under way', async () => {
    // The logout is answered long before this source is.
    const settings = { ...environment(fixture.redis.url), DATABASE_LATENCY: '1s' }
    const slow = await buildService(readConfig(settings))
    try {
      const at = await slow.start()
      const token = await tokenOf(5, at)
      const before = await queriesOf(at)
      const held = Array.from({ length: 5 }, () => me(token, at))
      await vi.waitFor(async () => expect(await queriesOf(at)).toBe(before + 1), { interval: 5 })
      const revoked = await ask('DELETE', `${there}/api/users/5/tokens`, { headers: mutating })
      expect(revoked.status).toBe(204)
      for (const answer of await Promise.all(held)) expectRefused(answer)
      expectRefused(await me(token, at))
    } finally {
      await slow.close()
    }
  })

  it('goes with every other login of its user, and with no one else’s', async () => {
    const tokens = [await tokenOf(6), await tokenOf(6)]
    const stranger = await tokenOf(7)
    for (const token of [...tokens, stranger]) expect((await me(token)).status).toBe(200)
    const session = await ask('POST', `${here}/api/sessions`, {
      body: { userId: 6 },
      headers: mutating,
    })
    const cookie = (session.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    expect((await ask('GET', `${here}/api/session`, { headers: { cookie } })).status).toBe(200)

    const [token = ''] = tokens
    expect((await ask('DELETE', `${there}/api/tokens`, { token })).status).toBe(204)
    for (const one of tokens) expectRefused(await me(one))
    expect((await ask('GET', `${here}/api/session`, { headers: { cookie } })).status).toBe(401)
    expect((await me(stranger)).status).toBe(200)
    // A login afterwards is good.
    expect((await me(await tokenOf(6))).status).toBe(200)
  })

  it('goes with the sessions of its user', async () => {
    const token = await tokenOf(8)
    await me(token)
    const session = await ask('POST', `${here}/api/sessions`, {
      body: { userId: 8 },
      headers: mutating,
    })
    const cookie = (session.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    const out = await ask('DELETE', `${here}/api/sessions`, { headers: { cookie } })
    expect(out.status).toBe(204)
    for (const at of [here, there]) expectRefused(await me(token, at))
  })
})

describe('drafts', () => {
  const drafts = (method: string, name: string, token: string, body?: unknown) =>
    ask(method, `${here}/api/me/drafts${name}`, { token, ...(body === undefined ? {} : { body }) })

  it('belong to the user of the token, and go together', async () => {
    const ada = await tokenOf(9)
    const bob = await tokenOf(10)
    expect((await drafts('PUT', '/letter', ada, { text: 'Dear Bob' })).status).toBe(204)
    expect((await drafts('PUT', '/list', ada, { items: [1, null] })).status).toBe(204)
    expect((await drafts('PUT', '/letter', bob, { text: 'Dear Ada' })).status).toBe(204)
    expect((await drafts('GET', '/letter', ada)).body).toEqual({
      name: 'letter',
      value: { text: 'Dear Bob' },
    })
    // The key under which it lies means nothing to those who read the cache by key.
    for (const key of ['user:9:letter', 'app::user:9:letter']) {
      expect((await ask('GET', `${here}/api/cache/${key}`)).text).not.toContain('Dear Bob')
    }
    expect((await drafts('DELETE', '', ada)).status).toBe(204)
    expect((await drafts('GET', '/letter', ada)).status).toBe(404)
    expect((await drafts('GET', '/list', ada)).status).toBe(404)
    expect((await drafts('GET', '/letter', bob)).status).toBe(200)
  })
})

describe('results', () => {
  const read = (keys: string, at = there) => ask('GET', `${at}/api/results?keys=${keys}`)

  it('are written and read many at once', async () => {
    const values = [0, null, '', { deep: [1] }, false]
    const entries = values.map((value, index) => ({ key: `day:${index}`, value, ttl: 60 }))
    const put = await ask('PUT', `${here}/api/results`, { body: { entries }, headers: mutating })
    expect(put.body).toEqual({ done: 5 })
    expect((await read('day:3,day:9,day:1,day:0,day:4,day:2')).body).toEqual({
      results: [
        { key: 'day:3', value: { deep: [1] } },
        { key: 'day:1', value: null },
        { key: 'day:0', value: 0 },
        { key: 'day:4', value: false },
        { key: 'day:2', value: '' },
      ],
      missing: ['day:9'],
      unreachable: [],
    })
    const ttl = Number(await fixture.redis.command('TTL', 'service:v1:app::result:day:0'))
    expect(ttl).toBeGreaterThan(50)
  })

  it.each(['', 'a,', 'a b', 'a*'])('are not read by %o', async (keys) => {
    expect((await read(encodeURIComponent(keys))).status).toBe(400)
  })

  it.each([[{}], [{ entries: [] }], [{ entries: [{ key: 'a' }] }], [{ entries: [{ value: 1 }] }]])(
    'are not made of %o',
    async (body) => {
      const put = await ask('PUT', `${here}/api/results`, { body, headers: mutating })
      expect(put.status).toBe(400)
    },
  )
})

describe('while Redis is away', () => {
  it('the source says who it is, a logout that may be unheard is none, and stays in force', async () => {
    const token = await tokenOf(11)
    const spared = await tokenOf(12)
    for (const one of [token, spared]) expect((await me(one)).status).toBe(200)
    await fixture.redis.kill()
    try {
      expect((await me(spared)).status).toBe(200)
      const out = await ask('DELETE', `${here}/api/token`, { token })
      expect(out.status).toBe(503)
      expect(out.headers.get('retry-after')).toBe('1')
      expectRefused(await me(token))
      const body = { entries: [{ key: 'a', value: 1 }] }
      const put = await ask('PUT', `${here}/api/results`, { body, headers: mutating })
      expect(put.body).toMatchObject({ status: 503, done: 0, failed: ['a'] })
      expect((await ask('GET', `${here}/api/results?keys=b,c`)).body).toEqual({
        results: [],
        missing: [],
        unreachable: ['b', 'c'],
      })
      const draft = await ask('PUT', `${here}/api/me/drafts/a`, { token: spared, body: {} })
      expect(draft.status).toBe(503)
    } finally {
      await fixture.redis.restart()
    }
    await vi.waitFor(
      async () => {
        const out = await ask('DELETE', `${here}/api/tokens`, { token: spared })
        expect(out.status).toBe(204)
      },
      { timeout: 10_000, interval: 200 },
    )
    for (const one of [token, spared]) expectRefused(await me(one))
  })
})
