import { connect, type AddressInfo } from 'node:net'
import { startRedis, type TestRedis } from '@corral/testing'
import fastify, { type FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authPlugin, type AuthPluginOptions } from '../src/fastify/index.ts'
import { createAuthCache } from '../src/index.ts'
import { jwt, openSide, type Side } from './bed.ts'

let server: TestRedis
let side: Side
let app: FastifyInstance

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await server.command('FLUSHALL')
  side = openSide(server)
})
afterEach(async () => {
  await app.close()
  await side.end()
})

async function serve(options: Partial<AuthPluginOptions> = {}): Promise<{ calls: number }> {
  const counts = { calls: 0 }
  app = fastify()
  await app.register(authPlugin, {
    auth: side.auth,
    verify: async (token: string) => {
      counts.calls++
      if (token === 'down') throw new Error('down')
      if (token === 'broken') return { userId: '' }
      return token.startsWith('ada') || token.startsWith('eyJ')
        ? { userId: 'ada', role: 'admin' }
        : undefined
    },
    ...options,
  })
  app.get('/me', { preHandler: app.authenticate }, (request) => request.identity)
  app.get('/config', { config: { auth: true } }, (request) => request.identity)
  app.get('/maybe', { config: { auth: 'optional' } }, (request) => ({ who: request.identity }))
  app.get('/open', { config: { auth: false } }, (request) => ({ who: request.identity }))
  app.get('/plain', (request) => ({ who: request.identity }))
  await app.ready()
  return counts
}

async function ask(url: string, authorization?: string) {
  const response = await app.inject({
    url,
    headers: authorization === undefined ? {} : { authorization },
  })
  return { status: response.statusCode, headers: response.headers, body: response.json<unknown>() }
}

describe('the plugin', () => {
  it('lets authenticated requests through, and asks the verifier once', async () => {
    const counts = await serve()
    for (const header of ['Bearer ada-1', 'bearer ada-1', 'BEARER  ada-1 ']) {
      expect(await ask('/me', header)).toMatchObject({
        status: 200,
        body: { userId: 'ada', role: 'admin' },
      })
    }
    expect(await ask('/config', 'Bearer ada-1')).toMatchObject({ status: 200 })
    expect(counts.calls).toBe(1)
  })

  it.each([
    [{ auth: undefined }, 'auth: must be one of createAuthCache, received undefined'],
    [{ verify: undefined }, 'verify: must be a function, received undefined'],
    [{ verify: 'jwt' }, 'verify: must be a function, received "jwt"'],
    [{ token: 'x-token' }, 'token: must be a function, received "x-token"'],
    [{ hook: 'onSend' }, "hook: must be 'onRequest' or 'preHandler', received \"onSend\""],
  ])('is not registered with %j', async (wrong: object, message) => {
    await expect(serve(wrong)).rejects.toThrow(message)
  })

  it('answers 401 as RFC 6750 has it', async () => {
    const counts = await serve()
    for (const header of [
      undefined,
      '',
      'Bearer',
      'Basic YTpi',
      'Bearer a b',
      'Bearer ada-1, Bearer ada-2',
    ]) {
      const { status, headers, body } = await ask('/me', header)
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('Bearer')
      expect(headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(body).toMatchObject({ status: 401, title: 'Unauthorized' })
    }
    expect(counts.calls).toBe(0)
    for (const header of [
      'Bearer bob',
      `Bearer ${jwt({ exp: 1 })}`,
      `Bearer ${'x'.repeat(10_000)}`,
    ]) {
      const { status, headers } = await ask('/me', header)
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('Bearer error="invalid_token"')
    }
    expect(counts.calls).toBe(1)
    await ask('/me', 'Bearer ada-1')
    await side.auth.revokeToken('ada-1')
    expect((await ask('/me', 'Bearer ada-1')).status).toBe(401)
  })

  it('answers 503 when nobody can say, and 500 for a bug', async () => {
    await serve()
    const { status, headers } = await ask('/me', 'Bearer down')
    expect(status).toBe(503)
    expect(headers['retry-after']).toBe('1')
    expect(headers['www-authenticate']).toBeUndefined()
    expect((await ask('/me', 'Bearer broken')).status).toBe(500)
  })

  it('lets a route say what it needs', async () => {
    await serve()
    expect(await ask('/maybe')).toMatchObject({ status: 200, body: { who: null } })
    expect(await ask('/maybe', 'Bearer ada-1')).toMatchObject({ body: { who: { userId: 'ada' } } })
    expect((await ask('/maybe', 'Bearer bob')).status).toBe(401)
    expect(await ask('/open', 'Bearer bob')).toMatchObject({ status: 200, body: { who: null } })
    expect(await ask('/plain')).toMatchObject({ status: 200 })
  })

  it('covers all routes when global, those of other plugins too', async () => {
    await serve({ global: true })
    expect((await ask('/plain')).status).toBe(401)
    expect((await ask('/open')).status).toBe(200)
    expect((await ask('/maybe')).status).toBe(200)
    expect((await ask('/nowhere')).status).toBe(404)
    expect(await ask('/plain', 'Bearer ada-1')).toMatchObject({
      status: 200,
      body: { who: { userId: 'ada' } },
    })
  })

  it.each([
    ['onRequest', 0],
    ['preHandler', 2],
  ] as const)('looks at tokens at %s', async (hook, bodiesOfStrangers) => {
    const read: unknown[] = []
    app = fastify()
    app.addHook('preValidation', async ({ body }) => void read.push(body))
    const verify = async (token: string) => (token === 'ada-1' ? { userId: 'ada' } : undefined)
    await app.register(authPlugin, { auth: side.auth, verify, global: true, hook })
    app.post('/config', { config: { auth: true } }, (request) => request.identity)
    app.post('/plain', (request) => request.identity)
    app.post('/open', { config: { auth: false } }, (request) => ({ who: request.identity }))
    const post = (url: string, headers: Record<string, string> = {}) =>
      app.inject({ method: 'POST', url, headers, payload: { n: 1 } })
    for (const url of ['/config', '/plain']) expect((await post(url)).statusCode).toBe(401)
    expect(read).toHaveLength(bodiesOfStrangers)
    for (const url of ['/config', '/plain']) {
      const response = await post(url, { authorization: 'Bearer ada-1' })
      expect(response.json()).toEqual({ userId: 'ada' })
    }
    expect((await post('/open')).json()).toEqual({ who: null })
    expect((await post('/nowhere')).statusCode).toBe(404)
  })

  it('takes the token from where it is told', async () => {
    await serve({ token: (request) => request.headers['x-token'] as string | undefined })
    const response = await app.inject({ url: '/me', headers: { 'x-token': 'ada-9' } })
    expect(response.statusCode).toBe(200)
    expect((await ask('/me', 'Bearer ada-1')).status).toBe(401)
  })
})

/** As it goes over the wire: `inject` cannot send one header twice. */
async function raw(path: string, headers: readonly string[]): Promise<string> {
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.write(
    [`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers, '', ''].join('\r\n'),
  )
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

describe('what a request carries', () => {
  it('is one header: with several, what stands before us may have looked at another', async () => {
    const counts = await serve()
    await app.listen({ port: 0, host: '127.0.0.1' })
    expect(await raw('/me', ['Authorization: Bearer ada-1'])).toMatch(/^HTTP\/1.1 200 /)
    expect(await raw('/me', ['AUTHORIZATION:   bearer   ada-1  '])).toMatch(/^HTTP\/1.1 200 /)
    const calls = counts.calls
    for (const second of ['Bearer ada-2', 'Basic YTpi', '']) {
      const headers = ['Authorization: Bearer ada-1', `authorization: ${second}`]
      for (const both of [headers, headers.toReversed()]) {
        const reply = await raw('/me', both)
        expect(reply).toMatch(/^HTTP\/1.1 401 /)
        expect(reply).toMatch(/^www-authenticate: Bearer\r$/m)
      }
    }
    expect(counts.calls).toBe(calls)
  })

  it.each([
    'Bearer',
    'Bearer ',
    'Bearer\tada-1',
    'Bearer=ada-1',
    'Bearerada-1',
    'ada-1',
    'Bearer "ada 1"',
  ])('is no token in %j', async (authorization) => {
    await serve()
    expect((await ask('/me', authorization)).status).toBe(401)
    expect(await ask('/maybe', authorization)).toMatchObject({ status: 200, body: { who: null } })
  })

  it('may be anything that is no text, where the token is taken from elsewhere', async () => {
    for (const token of [undefined, '', ['ada-1'], 5, {}, 'ada-\ud800']) {
      await serve({ token: () => token as string })
      expect((await ask('/me')).status).toBe(401)
      await app.close()
    }
    await serve()
  })
})

describe('encapsulation', () => {
  const verify = async (token: string) => (token === 'ada-1' ? { userId: 'ada' } : undefined)

  it('holds where it is registered and below, and nowhere else', async () => {
    app = fastify()
    await app.register(async (inner) => {
      await inner.register(authPlugin, { auth: side.auth, verify, global: true })
      inner.get('/in', (request) => ({ who: request.identity }))
      await inner.register(async (below) => {
        below.get('/below', (request) => ({ who: request.identity }))
      })
    })
    app.get('/out', (request) => ({ has: 'identity' in request, app: 'authenticate' in app }))
    for (const url of ['/in', '/below']) {
      expect((await ask(url)).status).toBe(401)
      expect((await ask(url, 'Bearer ada-1')).body).toEqual({ who: { userId: 'ada' } })
    }
    expect(await ask('/out')).toMatchObject({ status: 200, body: { has: false, app: false } })
  })

  it('lets neighbours have auth caches of their own', async () => {
    app = fastify()
    // Under one namespace they would share what verifiers said.
    const other = createAuthCache({ cache: side.cache.child('partners') })
    for (const name of ['ada', 'bob']) {
      await app.register(async (inner) => {
        const auth = name === 'ada' ? side.auth : other
        const verifyOwn = async (token: string) =>
          token === `${name}-0123` ? { userId: name } : undefined
        await inner.register(authPlugin, { auth, verify: verifyOwn, global: true })
        inner.get(`/${name}`, (request) => request.identity)
      })
    }
    try {
      for (const name of ['ada', 'bob']) {
        expect((await ask(`/${name}`, `Bearer ${name}-0123`)).body).toEqual({ userId: name })
      }
      expect((await ask('/ada', 'Bearer bob-0123')).status).toBe(401)
    } finally {
      await other.close()
    }
  })

  it('gives each request its own identity', async () => {
    await serve()
    const [ada, nobody] = await Promise.all([ask('/maybe', 'Bearer ada-1'), ask('/maybe')])
    expect(ada.body).toMatchObject({ who: { userId: 'ada' } })
    expect(nobody.body).toEqual({ who: null })
  })
})

describe('while Redis is away', () => {
  it('is 503 where nobody else can say, and asks the verifier where it can', async () => {
    const strict = openSide(server, { onUnavailable: 'refuse' })
    await serve({ auth: strict.auth })
    expect((await ask('/me', 'Bearer ada-1')).status).toBe(200)
    strict.connection.isolate()
    const { status, headers } = await ask('/me', 'Bearer ada-1')
    expect(status).toBe(503)
    expect(headers['retry-after']).toBe('1')
    // Without a token there is nothing to ask.
    expect((await ask('/me')).status).toBe(401)
    strict.connection.reset()
    await app.close()
    await strict.end()
    const counts = await serve()
    side.connection.isolate()
    expect((await ask('/me', 'Bearer ada-1')).status).toBe(200)
    expect((await ask('/me', 'Bearer bob')).status).toBe(401)
    expect(counts.calls).toBe(2)
    side.connection.reset()
  })
})

it('says no token in replies or logs', async () => {
  const canary = 'ada-canary-0123456789abcdef'
  const lines: string[] = []
  app = fastify({ logger: { level: 'trace', stream: { write: (line) => void lines.push(line) } } })
  let answer: () => unknown = () => undefined
  await app.register(authPlugin, { auth: side.auth, verify: async () => answer() as never })
  app.get('/me', { preHandler: app.authenticate }, () => 'hello')
  const quote = (): never => {
    throw Object.assign(new Error(canary), { name: canary, code: canary, token: canary })
  }
  const answers: (() => unknown)[] = [
    () => undefined,
    quote,
    () => ({ userId: '' }),
    () => ({ userId: 'ada', raw: `${canary}-3` }),
    () => ({
      get userId() {
        return quote()
      },
    }),
    () => ({ userId: 'ada' }),
  ]
  const statuses: number[] = []
  for (const [index, next] of answers.entries()) {
    answer = next
    const authorization = `Bearer ${canary}-${index}`
    const response = await app.inject({ url: '/me', headers: { authorization } })
    statuses.push(response.statusCode)
    expect(response.body + JSON.stringify(response.headers)).not.toContain('canary')
  }
  await side.auth.revokeToken(`${canary}-5`)
  const headers = { authorization: `Bearer ${canary}-5` }
  statuses.push((await app.inject({ url: '/me', headers })).statusCode)
  expect(statuses).toEqual([401, 503, 500, 500, 500, 200, 401])
  expect(lines.length).toBeGreaterThan(10)
  expect(lines.join('')).not.toContain('canary')
})
