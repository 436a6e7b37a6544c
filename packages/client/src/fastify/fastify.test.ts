import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify, { type FastifyInstance } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { createRateLimiter } from '../limits/rate-limiter.ts'
import type { RateLimitResult } from '../limits/rate-limit-result.ts'
import { clientAddress } from './client-address.ts'
import { rateLimitPlugin } from './rate-limit-plugin.ts'
import { sessionPlugin } from './session-plugin.ts'

const base = { connection: undefined, namespace: 'app' }
const limiterOf = (limit: number) =>
  createRateLimiter(base, { algorithm: 'fixed-window', limit, window: '1m', name: `n${limit}` })

let app: FastifyInstance
afterEach(async () => {
  await app.close()
})

describe('the rate-limit plugin', () => {
  it('lets the limit pass with headers, then answers 429 with a problem', async () => {
    app = fastify()
    await app.register(rateLimitPlugin, { limiter: limiterOf(2) })
    let handled = 0
    app.get('/', () => `hello ${++handled}`)
    const first = await app.inject('/')
    expect(first.statusCode).toBe(200)
    expect(first.headers).toMatchObject({
      ratelimit: '"n2";r=1;t=60',
      'ratelimit-policy': '"n2";q=2;w=60',
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '1',
    })
    expect(first.headers).not.toHaveProperty('retry-after')
    await app.inject('/')
    const third = await app.inject('/')
    expect(third.statusCode).toBe(429)
    expect(handled).toBe(2)
    expect(third.headers).toMatchObject({
      'content-type': expect.stringMatching(/^application\/problem\+json/),
      'retry-after': '60',
      ratelimit: '"n2";r=0;t=60',
    })
    expect(third.json()).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      status: 429,
      instance: '/',
      'violated-policies': ['n2'],
    })
    expect((await app.inject({ url: '/', remoteAddress: '10.0.0.1' })).statusCode).toBe(200)
    expect((await app.inject('/nowhere')).statusCode).toBe(429)
  })

  it('takes routes with limits of their own, and without', async () => {
    app = fastify()
    await app.register(rateLimitPlugin, { limiter: limiterOf(1) })
    app.get('/free', { config: { rateLimit: false } }, () => 'ok')
    app.get('/own', { config: { rateLimit: { limiter: limiterOf(3), cost: () => 3 } } }, () => 'ok')
    app.get(
      '/user',
      { config: { rateLimit: { subject: (request) => request.headers.authorization } } },
      () => 'ok',
    )
    for (let i = 0; i < 3; i++) expect((await app.inject('/free')).statusCode).toBe(200)
    const own = await app.inject('/own')
    expect(own.headers['x-ratelimit-remaining']).toBe('0')
    expect((await app.inject('/own')).statusCode).toBe(429)
    const as = (authorization: string) => app.inject({ url: '/user', headers: { authorization } })
    expect((await as('ada')).statusCode).toBe(200)
    expect((await as('ada')).statusCode).toBe(429)
    expect((await as('bob')).statusCode).toBe(200)
    // Nobody to count for.
    expect((await app.inject('/user')).statusCode).toBe(200)
    expect((await app.inject('/user')).statusCode).toBe(200)
  })

  it('names the one of several limits that was reached', async () => {
    const limiter = createRateLimiter(base, {
      name: 'api',
      limits: [
        { algorithm: 'fixed-window', limit: 5, window: '1s' },
        { algorithm: 'fixed-window', limit: 1, window: '1h' },
      ],
    })
    app = fastify()
    await app.register(rateLimitPlugin, { limiter })
    app.get('/', () => 'ok')
    await app.inject('/')
    const rejected = await app.inject('/')
    expect(rejected.headers['ratelimit']).toMatch(/^"api-1";/)
    expect(rejected.json()).toMatchObject({ 'violated-policies': ['api-1'] })
  })

  it('tells clients a pace that they may keep, whatever the burst', () => {
    const policyOf = (burst?: number): string | undefined => {
      const options = { name: 'a', algorithm: 'gcra', limit: 600, window: '1m' } as const
      const limiter = createRateLimiter(base, burst === undefined ? options : { ...options, burst })
      return limiter.headers({ rule: 0 } as RateLimitResult)['ratelimit-policy']
    }
    expect(policyOf()).toBe('"a";q=600;w=60')
    expect(policyOf(10)).toBe('"a";q=600;w=60')
    expect(policyOf(1_200)).toBe('"a";q=1200;w=120')
  })

  it('refuses wrong options when it is registered, and those of a route when that is added', async () => {
    const limiter = limiterOf(1)
    for (const [options, message] of [
      [{}, /^limiter: must be one of createRateLimiter, received undefined$/],
      [{ limiter, subject: 'ip' }, /^subject: must be a function/],
      [{ limiter, cost: 2 }, /^cost: must be a function/],
      [{ limiter, hook: 'onSend' }, /^hook: must be 'onRequest' or 'preHandler'/],
    ] as const) {
      app = fastify()
      await expect(async () => app.register(rateLimitPlugin, options as never)).rejects.toThrow(
        message,
      )
    }
    app = fastify()
    await app.register(rateLimitPlugin, { limiter })
    const route = (rateLimit: object) => () =>
      app.get('/', { config: { rateLimit: rateLimit as never } }, () => 'ok')
    expect(route({ limiter: undefined })).toThrow(/^limiter: /)
    expect(route({ cost: 1 })).toThrow(/^cost: /)
  })

  it('lets nobody pass whose subject or cost cannot be told', async () => {
    app = fastify()
    const limiter = limiterOf(5)
    let handled = 0
    await app.register(rateLimitPlugin, { limiter })
    const failing = {
      async: { subject: () => Promise.reject(new Error('not told')) },
      empty: { subject: () => '' },
      free: { cost: () => 0 },
      none: { cost: () => Number.NaN },
    }
    for (const [name, rateLimit] of Object.entries(failing)) {
      app.get(`/${name}`, { config: { rateLimit } }, () => ++handled)
    }
    for (const name of Object.keys(failing)) {
      expect([name, (await app.inject(`/${name}`)).statusCode]).toEqual([name, 500])
    }
    expect(handled).toBe(0)
  })

  it('limits the clients of a Unix socket, which have no address, as one', async () => {
    const socketPath = join(tmpdir(), `corral-${process.pid}.sock`)
    app = fastify()
    await app.register(rateLimitPlugin, { limiter: limiterOf(2) })
    app.get('/', () => 'ok')
    await app.listen({ path: socketPath })
    const statuses: (number | undefined)[] = []
    for (let i = 0; i < 3; i++) {
      const asked = request({ socketPath, path: '/', agent: false }).end()
      const [response] = (await once(asked, 'response')) as [IncomingMessage]
      statuses.push(response.resume().statusCode)
    }
    expect(statuses).toEqual([200, 200, 429])
  })

  it('limits only the routes that ask for it, when told so, and hides its headers', async () => {
    app = fastify()
    await app.register(rateLimitPlugin, {
      limiter: limiterOf(1),
      global: false,
      headers: false,
      hook: 'preHandler',
    })
    app.get('/free', () => 'ok')
    app.get('/limited', { config: { rateLimit: true } }, () => 'ok')
    for (let i = 0; i < 3; i++) expect((await app.inject('/free')).statusCode).toBe(200)
    const passed = await app.inject('/limited')
    expect(passed.headers).not.toHaveProperty('ratelimit')
    const rejected = await app.inject('/limited')
    expect(rejected.statusCode).toBe(429)
    expect(rejected.headers).toMatchObject({ 'retry-after': '60' })
    expect(rejected.headers).not.toHaveProperty('ratelimit')
  })
})

describe('the session plugin', () => {
  it('refuses wrong options when it is registered', async () => {
    const session = (_app: unknown, _options: unknown, done: () => void) => done()
    for (const [options, message] of [
      [undefined, /^plugin: must be the plugin of @fastify\/session, received undefined$/],
      [{ plugin: {}, store: {} }, /^plugin: .*, received an object$/],
      // Without it @fastify/session would keep sessions in this process.
      [{ plugin: session }, /^store: must be one of createSessionStore, received undefined$/],
      [{ plugin: session, store: {} }, /^store: .*, received an object$/],
    ] as const) {
      app = fastify()
      const registered = app.register(sessionPlugin, options as never)
      const error = await Promise.resolve(registered).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(TypeError)
      expect((error as Error).message).toMatch(message)
    }
  })
})

describe('clientAddress', () => {
  it.each<[string | undefined, string]>([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['nonsense', 'nonsense'],
    ['', 'no-address'],
    [undefined, 'no-address'],
  ])('of %s is %s', (ip, subject) => {
    app = fastify()
    expect(clientAddress(ip)).toBe(subject)
  })
})
