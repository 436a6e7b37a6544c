import { createCache, type Cache } from '@corral/core'
import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CacheClient, createCacheClient } from '../../src/index.ts'

// The recipes of the second document, in Corral's form; where one is wrong, what it did is shown too.

let server: TestRedis
let redis: Redis
let cache: Cache
let client: CacheClient

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.port, server.host, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
  cache = createCache({ connection: redis, namespace: 'app' })
  client = createCacheClient({ cache })
})
afterAll(async () => {
  client.close()
  await cache.close()
  redis.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
})

describe('rate limiting', () => {
  it('by INCR and then SET admits 199 of 100, with incrementRateLimit 100', async () => {
    const limit = 100
    // As the document has it, on the commands that it stands for. The second step sets the counter to
    // what its caller saw: 1, whatever was counted meanwhile.
    let reached: (() => void) | undefined
    const others = new Promise<void>((resolve) => (reached = resolve))
    async function checkRateLimit(first: boolean): Promise<boolean> {
      const count = await redis.incr('rate')
      if (count === 1) {
        if (first) await others
        await redis.set('rate', count, 'EX', 60)
      }
      return count <= limit
    }
    const slow = checkRateLimit(true)
    const before = await Promise.all(Array.from({ length: 99 }, () => checkRateLimit(false)))
    reached!()
    const admitted = [await slow, ...before]
    for (let i = 0; i < 200; i++) admitted.push(await checkRateLimit(false))
    expect(admitted.filter(Boolean).length).toBe(199)

    const results = await Promise.all(
      Array.from({ length: 300 }, () => client.incrementRateLimit('user:1', 60, limit)),
    )
    expect(results.filter(({ allowed }) => allowed).length).toBe(100)
  })
})

describe('sessions', () => {
  it('live in Redis, or are read from the database through the cache', async () => {
    const findFirst = vi.fn(async (id: string) => ({ id, userId: '1' }))
    const getSession = (sessionId: string) =>
      client.memoize(`session:${sessionId}`, () => findFirst(sessionId), '5m')
    await getSession('a')
    await getSession('a')
    expect(findFirst).toHaveBeenCalledTimes(1)
    const { id } = await client.createSession({ cart: [] }, { userId: '1' })
    expect(await client.getSession(id)).toEqual({ cart: [] })
  })
})

describe('feature flags', () => {
  it('are seen by all at once instead of an hour later', async () => {
    expect(await client.getFeatureFlag('beta')).toBe(false)
    await client.setFeatureFlag('beta', true)
    expect(await client.getFeatureFlag('beta')).toBe(true)
    await client.setFeatureFlag('beta', { percentage: 0 })
    expect(await client.getFeatureFlag('beta', false, { targetingKey: '1' })).toBe(false)
  })
})

describe('helpers', () => {
  it('count, invalidate after updates, tell health', async () => {
    expect(await client.increment('api:calls:1')).toBe(1)
    expect(await client.increment('credits:1', 100)).toBe(100)
    expect(await client.decrement('credits:1', 30)).toBe(70)
    await client.setUserCache('1', 'credits', 5)
    await client.deleteUserCache('1')
    expect(await client.getUserCache('1', 'credits')).toBeUndefined()
    expect((await client.healthCheck()).healthy).toBe(true)
  })
})
