import { startRedis, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  CacheManager,
  cacheDel,
  cacheGet,
  cacheGetOrSet,
  cacheManager,
  cacheSet,
  closeDefaults,
  configureDefaults,
} from '../../src/adapters/default/index.ts'

/** The examples of seed 001's core, as written there but for the imports. */

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

beforeEach(async () => {
  await server.command('FLUSHALL')
  vi.stubEnv('REDIS_URL', server.url)
  vi.stubEnv('BULLMQ_PREFIX', 'dripiq')
  // These are about what is done, not how fast: they shall pass on a busy machine.
  vi.stubEnv('CACHE_MAX_LATENCY_MS', '5000')
})

afterEach(async () => {
  await closeDefaults()
  configureDefaults({})
  vi.unstubAllEnvs()
})

describe('seed 001', () => {
  it('basic usage', async () => {
    const performExpensiveCalculation = vi.fn(async () => 42)

    // Simple cache operations
    await cacheSet('user:123', { name: 'John', email: 'john@example.com' }, { ttl: 3600 })
    const user = await cacheGet('user:123')

    // Cache or fetch pattern
    const expensiveData = await cacheGetOrSet(
      'expensive:calculation',
      async () => {
        // Expensive operation here
        return await performExpensiveCalculation()
      },
      { ttl: 1800 },
    )

    expect(user).toEqual({ name: 'John', email: 'john@example.com' })
    expect(expensiveData).toBe(42)
    expect(await cacheGetOrSet('expensive:calculation', performExpensiveCalculation)).toBe(42)
    expect(performExpensiveCalculation).toHaveBeenCalledTimes(1)
    const ttl = Number(await server.command('TTL', 'dripiq:cache::user:123'))
    expect(ttl).toBeGreaterThan(3_590)
    expect(ttl).toBeLessThanOrEqual(3_600)
  })

  it('core cache manager', async () => {
    // Direct usage
    await cacheSet('key', 'value', { ttl: 300 })
    const value = await cacheGet('key')
    await cacheDel('key')

    expect(value).toBe('value')
    expect(await cacheGet('key')).toBeUndefined()

    // Advanced operations
    await cacheSet('temp:data', 'x')
    await cacheManager.increment('counter:api_calls', 1)
    await cacheManager.expire('temp:data', 600)
    const stats = await cacheManager.getStats()

    expect(await cacheManager.increment('counter:api_calls', 1)).toBe(2)
    expect(await cacheManager.ttl('temp:data')).toBeGreaterThan(590)
    expect(await cacheManager.ttl('temp:data')).toBeLessThanOrEqual(600)
    expect(stats.keys).toBeGreaterThanOrEqual(2)
    expect(stats.memory).toBeGreaterThan(100_000)
  })

  it('custom configuration', async () => {
    const customCache = new CacheManager({
      defaultTtl: 1800, // 30 minutes default TTL
      maxKeys: 50000, // Maximum keys (informational)
      namespace: 'myapp', // Custom namespace
    })

    await customCache.set('a', 1)
    expect(Number(await server.command('TTL', 'myapp::a'))).toBeGreaterThan(1_790)
    expect(Number(await server.command('TTL', 'myapp::a'))).toBeLessThanOrEqual(1_800)
    expect((await customCache.getStats()).maxKeys).toBe(50_000)
    await customCache.close()
  })

  it('health monitoring', async () => {
    // Get cache statistics
    const stats = await cacheManager.getStats()
    const told = [`Cached keys: ${stats.keys}`, `Memory usage: ${stats.memory}`]
    expect(told[0]).toBe('Cached keys: 0')
    expect(told[1]).toMatch(/^Memory usage: \d{6,}$/)

    const health = await cacheManager.healthCheck()
    expect(health).toMatchObject({ status: 'ok', healthy: true })
    expect(health.latency).toBeGreaterThan(0)
  })

  it('with workers', async () => {
    interface Job {
      readonly id: string
      readonly data: number
    }
    const performProcessing = vi.fn(async (data: number) => data * 2)

    // In a worker
    const processJob = async (job: Job): Promise<unknown> => {
      const cacheKey = `job:${job.id}:result`

      // Check if already processed
      const cached = await cacheGet(cacheKey)
      if (cached) return cached

      // Process job
      const result = await performProcessing(job.data)

      // Cache result
      await cacheSet(cacheKey, result, { ttl: 3600 })

      return result
    }

    expect(await processJob({ id: '1', data: 21 })).toBe(42)
    expect(await processJob({ id: '1', data: 21 })).toBe(42)
    expect(performProcessing).toHaveBeenCalledTimes(1)
  })

  it("shares BullMQ's own connection", async () => {
    const queue = new Queue('mail', {
      prefix: 'dripiq',
      connection: {
        host: server.host,
        port: server.port,
        maxRetriesPerRequest: null,
        socketTimeout: 15_000,
      },
    })
    await queue.waitUntilReady()
    const connections = async (): Promise<number> =>
      ((await server.command('CLIENT', 'LIST')) as string)
        .split('\n')
        .filter((line) => line.includes('addr=')).length
    const before = await connections()

    configureDefaults({ connection: queue })
    await cacheSet('user:123', { name: 'John' }, { ttl: 3600 })
    expect(await cacheGet('user:123')).toEqual({ name: 'John' })
    // One more at most: the one that listens to what others change.
    expect(await connections()).toBeLessThanOrEqual(before + 1)

    await closeDefaults()
    await vi.waitFor(async () => expect(await connections()).toBe(before))
    expect(await queue.add('hello', {})).toHaveProperty('id', '1')
    await queue.close()
  })
})
