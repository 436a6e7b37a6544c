import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCache, defineKeys, TTL, type Cache } from '../../src/index.ts'

/** "Redis Cache Service", on the connection of a BullMQ queue. */

const cacheKeys = defineKeys({
  user: 'user:{userId}',
  userCredits: 'user:{userId}:credits',
  workflow: 'workflow:{id}',
  workflowDefinition: 'workflow:{id}:definition',
  session: 'session:{id}',
  rateLimit: 'rate:{userId}:{endpoint}',
  featureFlag: 'flag:{name}',
})

let server: TestRedis
let queue: Queue
let cacheService: Cache

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
  queue = new Queue('mail', {
    connection: { host: server.host, port: server.port, maxRetriesPerRequest: null },
  })
  queue.on('error', () => undefined)
  await queue.waitUntilReady()
  cacheService = createCache({ connection: queue, namespace: 'api:v1' })
})
afterEach(async () => {
  await cacheService.close()
  await queue.close()
})

describe('seed 002', () => {
  it('gets, sets, deletes', async () => {
    const userData = { id: 1, name: 'John', meta: { role: 'admin' } }
    expect(await cacheService.set('user:123', userData, TTL.SHORT)).toBe(true)
    expect(await cacheService.get<typeof userData>('user:123')).toEqual(userData)
    expect(await cacheService.delete('user:123')).toBe(true)
    expect(await cacheService.get('user:123')).toBeUndefined()
    expect(TTL).toEqual({ SHORT: 60, MEDIUM: 300, LONG: 3_600, DAY: 86_400 })
  })

  it('gets or sets: the cache-aside pattern', async () => {
    let queries = 0
    const getUserCredits = (userId: number): Promise<number> =>
      cacheService.getOrSet(
        cacheKeys.userCredits(userId),
        async () => {
          queries++
          return 100
        },
        TTL.SHORT,
      )
    expect(await getUserCredits(1)).toBe(100)
    expect(await getUserCredits(1)).toBe(100)
    expect(queries).toBe(1)
    expect(await cacheService.ttl(cacheKeys.userCredits(1))).toBeGreaterThan(59)
  })

  it('invalidates by pattern, and never a neighbour', async () => {
    for (const key of [
      'user:1',
      'user:1:credits',
      'user:10',
      'workflow:1',
      'workflow:2',
      'rate:1:a',
    ]) {
      await cacheService.set(key, key)
    }
    expect(await cacheService.deletePattern('user:1')).toBe(2)
    expect(await cacheService.get('user:10')).toBe('user:10')
    expect(await cacheService.deletePattern('workflow:')).toBe(2)
    expect(await cacheService.deletePattern(cacheKeys.rateLimit.pattern(1))).toBe(1)
    await queue.add('welcome', {})
    await cacheService.clear({ wait: true })
    expect(await queue.getJobCounts('waiting')).toEqual({ waiting: 1 })
  })

  it('counts', async () => {
    expect(await cacheService.increment('api:calls:1')).toBe(1)
    expect(await cacheService.increment('credits:1', 100)).toBe(100)
    expect(await cacheService.decrement('credits:1')).toBe(99)
    expect(await cacheService.get('credits:1')).toBe(99)
  })

  it('limits a rate: the window begins with the first call, in the same step', async () => {
    async function checkRateLimit(userId: string, limit: number, window: number): Promise<boolean> {
      const key = cacheKeys.rateLimit(userId, 'api')
      return (await cacheService.increment(key, 1, { ttl: window })) <= limit
    }
    const allowed = await Promise.all([1, 2, 3, 4].map(() => checkRateLimit('1', 3, 60)))
    expect(allowed.filter(Boolean)).toHaveLength(3)
    const left = await cacheService.ttl(cacheKeys.rateLimit('1', 'api'))
    expect(left).toBeGreaterThan(50)
    expect(left).toBeLessThanOrEqual(60)
  })

  it('goes on counting from a number that was set', async () => {
    await cacheService.set('stock', 7, '5m')
    expect(await cacheService.increment('stock', 3)).toBe(10)
    expect(await cacheService.ttl('stock')).toBeLessThanOrEqual(300)
  })

  it('tells existence and time to live', async () => {
    expect(await cacheService.has('session:abc123')).toBe(false)
    expect(await cacheService.ttl('session:abc123')).toBeUndefined()
    await cacheService.set('session:abc123', {}, 'forever')
    expect(await cacheService.has('session:abc123')).toBe(true)
    expect(await cacheService.ttl('session:abc123')).toBe(Infinity)
    expect(await cacheService.expire('session:abc123', '10m')).toBe(true)
    expect(await cacheService.ttl('session:abc123')).toBeLessThanOrEqual(600)
  })

  it('keeps flags that are false, and sessions that are nothing at all', async () => {
    let asked = 0
    const isFeatureEnabled = (flag: string): Promise<boolean> =>
      cacheService.getOrSet(
        cacheKeys.featureFlag(flag),
        async () => {
          asked++
          return false
        },
        TTL.LONG,
      )
    expect(await isFeatureEnabled('beta')).toBe(false)
    expect(await isFeatureEnabled('beta')).toBe(false)
    expect(asked).toBe(1)
  })

  it('tells health and figures', async () => {
    const health = await cacheService.health()
    expect(health.healthy).toBe(true)
    expect(health.latency).toBeGreaterThanOrEqual(0)
    const stats = await cacheService.stats()
    expect(stats).toMatchObject({ available: true, reconnectAttempts: 0 })
  })

  it('goes on without Redis', async () => {
    await server.kill()
    await waitFor(async () => !(await cacheService.health()).healthy)
    expect(await cacheService.get('key')).toBeUndefined()
    expect(await cacheService.getOrSet('key', async () => 'from the source', 60)).toBe(
      'from the source',
    )
    expect(await cacheService.set('key', 1)).toBe(false)
    await expect(cacheService.increment('n')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await server.restart()
    await waitFor(async () => (await cacheService.health()).healthy)
    expect(await cacheService.set('key', 1)).toBe(true)
  })
})
