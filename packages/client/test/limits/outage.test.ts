import { type Connection, shareConnection } from '@corral/connection'
import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ClientBase,
  createConcurrencyLimiter,
  createIncrementRateLimit,
  createRateLimiter,
  type OnUnavailable,
} from '../../src/index.ts'

const deadlineMs = 200
/** What the two cores of a test machine may add to a deadline. */
const slackMs = 150

let server: TestRedis
let client: Redis
let connection: Connection
let base: ClientBase

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 100,
  })
  client.on('error', () => {})
  connection = shareConnection(client)
  base = { connection, namespace: 'app' }
  await waitFor(() => connection.set('warm', '1').then(() => true))
  await server.command('FLUSHALL')
})
afterEach(async () => {
  await connection.close()
  client.disconnect()
})

const limiterWith = (onUnavailable: OnUnavailable, localShare = 1) =>
  createRateLimiter(base, {
    algorithm: 'sliding-log',
    limit: 10,
    window: '1h',
    onUnavailable,
    localShare,
    blockLocally: false,
  })

async function decided(onUnavailable: OnUnavailable, localShare?: number): Promise<number> {
  const limiter = limiterWith(onUnavailable, localShare)
  let admitted = 0
  for (let i = 0; i < 30; i++) {
    const started = performance.now()
    const result = await limiter.consume(`u-${onUnavailable}`)
    expect(performance.now() - started).toBeLessThan(deadlineMs + slackMs)
    expect(result.source).toBe(onUnavailable === 'local' ? 'local' : 'policy')
    if (!result.allowed) {
      expect(result.remaining).toBe(0)
      expect(result.retryAfter).toBeGreaterThan(0)
      expect(result.resetAfter).toBeGreaterThanOrEqual(result.retryAfter)
    }
    if (result.allowed) admitted++
  }
  return admitted
}

async function expectDecisions(): Promise<void> {
  expect(await decided('local')).toBe(10)
  expect(await decided('local', 0.25)).toBe(2)
  expect(await decided('allow')).toBe(30)
  expect(await decided('deny')).toBe(0)
  const increment = createIncrementRateLimit(base)
  let admitted = 0
  for (let i = 0; i < 15; i++) if ((await increment('k', 60, 7)).allowed) admitted++
  expect(admitted).toBe(7)
  for (const [onUnavailable, most] of [
    ['local', 2],
    ['allow', 5],
    ['deny', 0],
  ] as const) {
    const places = createConcurrencyLimiter(base, {
      algorithm: 'concurrency',
      limit: 2,
      onUnavailable,
    })
    const results = await Promise.all(Array.from({ length: 5 }, () => places.acquire('j')))
    expect(results.filter(({ allowed }) => allowed).length).toBe(most)
    for (const { lease } of results) await lease?.release()
    const last = await places.acquire('j')
    expect(last.allowed).toBe(onUnavailable !== 'deny')
    if (!last.allowed) expect(last.remaining).toBe(0)
  }
}

async function expectNothingCounted(): Promise<void> {
  await waitFor(async () => (await limiterWith('local').peek('u-local')).source === 'redis')
  for (const policy of ['local', 'allow', 'deny'] as const) {
    expect((await limiterWith(policy).peek(`u-${policy}`)).count).toBe(0)
  }
}

describe('with Redis', () => {
  it('frozen, the policy decides within the deadline; back, nothing is counted late', async () => {
    await server.pause()
    try {
      await expectDecisions()
    } finally {
      await server.resume()
    }
    await expectNothingCounted()
    expect(await server.command('KEYS', 'corral:limit:*u-*')).toEqual([])
  })

  it('killed, the policy decides within the deadline', async () => {
    await server.kill()
    try {
      await expectDecisions()
    } finally {
      await server.restart()
    }
    await expectNothingCounted()
  })

  it('full, the policy decides too', async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      await expectDecisions()
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', '0')
    }
    await expectNothingCounted()
  })

  it('read-only, the policy decides too', async () => {
    await server.command('REPLICAOF', '127.0.0.1', '1')
    try {
      await expectDecisions()
    } finally {
      await server.command('REPLICAOF', 'NO', 'ONE')
    }
    await expectNothingCounted()
  })

  it('losing replies, a call whose answer was lost counts once and is never sent again', async () => {
    const limiter = limiterWith('deny')
    await limiter.consume('once')
    const before = client.stream
    // The commands are on their way when the socket dies.
    const calls = Array.from({ length: 5 }, () => limiter.consume('once'))
    await Promise.resolve()
    before?.destroy()
    await Promise.all(calls)
    await waitFor(async () => (await limiter.peek('once')).source === 'redis')
    expect((await limiter.peek('once')).count).toBeLessThanOrEqual(6)
  })
})
