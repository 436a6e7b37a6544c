import { type Connection, shareConnection } from '@corral/connection'
import { monitor, recordTrace, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ClientBase,
  createConcurrencyLimiter,
  createIncrementRateLimit,
  createRateLimiter,
  type RateAlgorithm,
} from '../../src/index.ts'

let server: TestRedis
const clients: Redis[] = []
const connections: Connection[] = []

function open(): ClientBase & { connection: Connection } {
  const client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
  client.on('error', () => {})
  const connection = shareConnection(client, { deadline: '5s' })
  clients.push(client)
  connections.push(connection)
  return { connection, namespace: 'app' }
}

let base: ReturnType<typeof open>

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
  base = open()
})
afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close()
  for (const client of clients.splice(0)) client.disconnect()
})

const algorithms: readonly RateAlgorithm[] = [
  'fixed-window',
  'sliding-window',
  'sliding-log',
  'token-bucket',
  'gcra',
]

describe.each(algorithms)('%s on the server’s time', (algorithm) => {
  it('admits the limit, names the wait, and admits again after it', async () => {
    const limiter = createRateLimiter(base, { algorithm, limit: 5, window: '300ms' })
    const results = await Promise.all(Array.from({ length: 8 }, () => limiter.consume('u')))
    const admitted = results.filter(({ allowed }) => allowed)
    // The border of a window that stands by the clock may fall between.
    expect(admitted.length).toBeGreaterThanOrEqual(5)
    const last = await limiter.consume('u')
    expect(last).toMatchObject({ limit: 5, source: 'redis', rule: 0 })
    await waitFor(async () => (await limiter.consume('u')).allowed, { timeout: 2_000 })
    for (const key of (await server.command('KEYS', '*')) as string[]) {
      expect(Number(await server.command('PTTL', key))).toBeGreaterThan(0)
      expect(Number(await server.command('PTTL', key))).toBeLessThanOrEqual(600)
    }
    limiter.close()
  })

  it('heals a key that lost its end, also by a rejected call', async () => {
    const limiter = createRateLimiter(base, {
      algorithm,
      limit: 2,
      window: '1m',
      blockLocally: false,
    })
    await limiter.consume('u', 2)
    const [key] = (await server.command('KEYS', '*')) as [string]
    await server.command('PERSIST', key)
    expect(Number(await server.command('PTTL', key))).toBe(-1)
    expect((await limiter.consume('u', 2)).allowed).toBe(false)
    expect(Number(await server.command('PTTL', key))).toBeGreaterThan(0)
    await server.command('PERSIST', key)
    await limiter.peek('u')
    expect(Number(await server.command('PTTL', key))).toBeGreaterThan(0)
  })
})

describe('a limiter', () => {
  it('keeps subjects, limiters and namespaces apart', async () => {
    const rule = { algorithm: 'gcra', limit: 1, window: '1m', name: 'one' } as const
    const one = createRateLimiter(base, rule)
    const two = createRateLimiter(base, { algorithm: 'gcra', limit: 1, window: '1m', name: 'two' })
    const other = createRateLimiter(
      { ...base, namespace: 'app:v1' },
      { algorithm: 'gcra', limit: 1, window: '1m', name: 'one' },
    )
    const subjects = ['1', '1:admin', 'v1:1', '*', '{1}', 'ünïcode', ' ', '%3A', 'x'.repeat(5_000)]
    for (const subject of subjects) {
      for (const limiter of [one, two, other]) {
        expect((await limiter.consume(subject)).allowed).toBe(true)
        expect((await limiter.consume(subject)).allowed).toBe(false)
      }
    }
    expect(((await server.command('KEYS', '*')) as string[]).length).toBe(subjects.length * 3)
    for (const bad of ['', '\ud800', 5 as unknown as string, undefined as unknown as string]) {
      await expect(async () => one.consume(bad)).rejects.toThrow(TypeError)
    }
    for (const cost of [0, -1, 1.5, 2, Number.NaN]) {
      // A rejection and no throw, without Redis too.
      const alone = createRateLimiter({ ...base, connection: undefined }, rule)
      const refused = [one, alone].flatMap((each) => [each.consume('u', cost), each.peek('', 1)])
      for (const each of refused) await expect(each).rejects.toThrow(/^(cost|subject): must be/)
    }
  })

  it('sends what was asked for in one tick as one command', async () => {
    const limiter = createRateLimiter(base, { algorithm: 'gcra', limit: 1_000, window: '1m' })
    await limiter.consume('warm')
    await using watch = await monitor(server)
    await Promise.all(Array.from({ length: 24 }, (_, i) => limiter.consume(`u${i % 8}`)))
    const sent = (await watch.commands()).filter(({ name }) => name === 'EVALSHA')
    expect(sent.length).toBe(1)
    expect((await limiter.peek('u0')).count).toBe(3)
  })

  it('takes several limits in one command, and takes all or none', async () => {
    const limiter = createRateLimiter(base, {
      name: 'api',
      limits: [
        { algorithm: 'sliding-log', limit: 3, window: '1h' },
        { algorithm: 'fixed-window', limit: 100, window: '1d' },
      ],
    })
    for (let i = 0; i < 3; i++) expect((await limiter.consume('u')).allowed).toBe(true)
    const blocked = await limiter.consume('u')
    expect(blocked).toMatchObject({ allowed: false, rule: 0, limit: 3, remaining: 0 })
    expect(limiter.headers(blocked)).toMatchObject({
      'ratelimit-policy': '"api-0";q=3;w=3600, "api-1";q=100;w=86400',
      ratelimit: expect.stringMatching(/^"api-0";r=0;t=3[56]\d\d$/),
      'retry-after': expect.stringMatching(/^3[56]\d\d$/),
      'x-ratelimit-limit': '3',
      'x-ratelimit-remaining': '0',
    })
  })

  it('answers for the blocked without Redis, until another process resets them', async () => {
    const options = { algorithm: 'fixed-window', limit: 2, window: '1h', name: 'b' } as const
    const limiter = createRateLimiter(base, options)
    const elsewhere = createRateLimiter(open(), options)
    await limiter.consume('u', 2)
    expect((await limiter.consume('u')).allowed).toBe(false)
    await base.connection.signals.whenOn(5_000)
    const fromRedis = await limiter.consume('u')
    await expect(limiter.consume('u', Number.NaN)).rejects.toThrow(RangeError)
    const watch = await monitor(server)
    for (let i = 0; i < 100; i++) {
      const result = await limiter.consume('u')
      expect(result).toMatchObject({ allowed: false, count: 2, resetAt: fromRedis.resetAt })
      expect(result.retryAfter).toBeLessThanOrEqual(fromRedis.retryAfter)
    }
    expect((await watch.commands()).filter(({ name }) => name === 'EVALSHA')).toEqual([])
    await watch[Symbol.asyncDispose]()
    await elsewhere.reset('u')
    await waitFor(async () => (await limiter.consume('u')).allowed, { timeout: 2_000 })
    limiter.close()
    elsewhere.close()
  })

  it('never blocks longer than Redis does', async () => {
    const limiter = createRateLimiter(base, { algorithm: 'fixed-window', limit: 1, window: '20ms' })
    const asking = createRateLimiter(base, {
      algorithm: 'fixed-window',
      limit: 1,
      window: '20ms',
      blockLocally: false,
    })
    await limiter.consume('u')
    await limiter.consume('u')
    await base.connection.signals.whenOn(5_000)
    const end = performance.now() + 1_500
    let blocked = 0
    while (performance.now() < end) {
      // Asked first: where Redis would admit now, nobody may have said no afterwards.
      const server = await asking.peek('u')
      const local = await limiter.consume('u')
      if (server.allowed) expect(local.allowed).toBe(true)
      if (!local.allowed) blocked++
    }
    expect(blocked).toBeGreaterThan(0)
    limiter.close()
  })

  it('tells each decision on its channel', async () => {
    using trace = recordTrace(['corral:client:limit'])
    const limiter = createRateLimiter(base, {
      algorithm: 'gcra',
      limit: 1,
      window: '1m',
      name: 'x',
    })
    await limiter.consume('u')
    await limiter.consume('u')
    expect(trace.of('corral:client:limit')).toEqual([
      { namespace: 'app', limiter: 'x', allowed: true, source: 'redis' },
      { namespace: 'app', limiter: 'x', allowed: false, source: 'redis' },
    ])
    limiter.close()
  })
})

describe('incrementRateLimit', () => {
  it('admits 100 of 200 at once, and its remaining is 0 on the last that passed', async () => {
    const increment = createIncrementRateLimit(base)
    const results = await Promise.all(
      Array.from({ length: 200 }, () => increment('api:user:1', 60, 100)),
    )
    expect(results.filter(({ allowed }) => allowed).length).toBe(100)
    expect(results[98]).toMatchObject({ count: 99, remaining: 1, allowed: true, limit: 100 })
    expect(results[99]).toMatchObject({ count: 100, remaining: 0, allowed: true, retryAfter: 0 })
    expect(results[100]).toMatchObject({ count: 100, remaining: 0, allowed: false })
    expect(results[100]!.retryAfter).toBeGreaterThan(55)
    expect(Math.abs(results[0]!.resetAt - Date.now() - 60_000)).toBeLessThan(5_000)
  })

  it('takes windows under a second, and another limit for the same key', async () => {
    const increment = createIncrementRateLimit(base)
    expect((await increment('k', 0.05, 1)).allowed).toBe(true)
    expect((await increment('k', 0.05, 1)).retryAfter).toBeLessThanOrEqual(0.05)
    await waitFor(async () => (await increment('k', 0.05, 1)).allowed)
    expect((await increment('k', 0.05, 5)).remaining).toBe(3)
    await expect(increment('k', -1, 5)).rejects.toThrow(TypeError)
    await expect(increment('k', 60, 0)).rejects.toThrow(RangeError)
  })
})

describe('a concurrency limiter', () => {
  it('gives places out and takes them back', async () => {
    const limiter = createConcurrencyLimiter(base, { algorithm: 'concurrency', limit: 2 })
    const one = await limiter.acquire('job')
    const two = await limiter.acquire('job')
    expect([one.remaining, two.remaining]).toEqual([1, 0])
    const three = await limiter.acquire('job')
    expect(three).toMatchObject({ allowed: false, count: 2, remaining: 0 })
    expect(three.lease).toBeUndefined()
    expect(three.retryAfter).toBeGreaterThan(29)
    expect(three.retryAfter).toBeLessThanOrEqual(30)
    expect(await one.lease!.release()).toBe(true)
    expect(await one.lease!.release()).toBe(false)
    expect(await one.lease!.extend()).toBe(false)
    expect((await limiter.acquire('job')).allowed).toBe(true)
    expect(await limiter.count('job')).toBe(2)
    expect((await limiter.acquire('other')).allowed).toBe(true)
  })

  it('frees the place of one who died when its lease runs out, not before', async () => {
    const limiter = createConcurrencyLimiter(base, {
      algorithm: 'concurrency',
      limit: 1,
      lease: '150ms',
    })
    const { lease } = await limiter.acquire('job')
    const before = performance.now()
    expect(await lease!.extend()).toBe(true)
    await waitFor(async () => (await limiter.acquire('job')).allowed, { interval: 2 })
    expect(performance.now() - before).toBeGreaterThanOrEqual(149)
    expect(await lease!.extend()).toBe(false)
    await waitFor(async () => Number(await server.command('DBSIZE')) === 0)
  })

  it('frees the place of one who died while another is extended', async () => {
    const limiter = createConcurrencyLimiter(base, {
      algorithm: 'concurrency',
      limit: 2,
      lease: '200ms',
    })
    const [, { lease: living }] = [await limiter.acquire('job'), await limiter.acquire('job')]
    const third = await waitFor(
      async () => {
        expect(await living!.extend()).toBe(true)
        const result = await limiter.acquire('job')
        return result.allowed ? result : undefined
      },
      { interval: 20 },
    )
    expect(third.count).toBe(2)
    expect(await limiter.count('job')).toBe(2)
  })

  it('runs a function in a place, longer than a lease', async () => {
    const limiter = createConcurrencyLimiter(base, {
      algorithm: 'concurrency',
      limit: 1,
      lease: '90ms',
    })
    await limiter.using('job', async () => {
      const until = performance.now() + 300
      await waitFor(async () => {
        expect((await limiter.acquire('job')).allowed).toBe(false)
        return performance.now() > until
      })
      await expect(limiter.using('job', () => 1)).rejects.toMatchObject({ code: 'LIMIT_REACHED' })
    })
    expect(await limiter.using('job', () => 'next')).toBe('next')
    await expect(limiter.using('job', () => Promise.reject(new Error('its own')))).rejects.toThrow(
      'its own',
    )
    expect(await limiter.count('job')).toBe(0)
  })
})
