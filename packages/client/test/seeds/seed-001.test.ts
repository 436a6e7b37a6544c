import { cacheGet, cacheGetOrSet, cacheManager, cacheSet } from '@corral/core/default'
import { startRedis, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import fastify from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  apiCacheClient,
  closeDefaults,
  configureDefaults,
  defaultCacheClient,
  getCacheJson,
  getUserCache,
  sessionCacheClient,
  setCacheJson,
  setUserCache,
  userCacheClient,
} from '../../src/default/index.ts'

// The examples of the document that this package comes from, as they stand there but for imports.

// Made before anything is configured, as at the top of any module: nothing may be opened by it.
const loadProfile = vi.fn(async (id: string) => ({ id }))
const profileOf = userCacheClient.memoize(loadProfile, { name: 'profile' })
const perUser = apiCacheClient.rateLimiter({ algorithm: 'gcra', limit: 1, window: '1h' })
const store = sessionCacheClient.sessionStore()

let server: TestRedis
let queue: Queue

beforeAll(async () => {
  server = await startRedis()
  queue = new Queue('jobs', { connection: { host: server.host, port: server.port } })
  await queue.waitUntilReady()
  configureDefaults({ connection: queue, namespace: 'dripiq:cache' })
})
afterAll(async () => {
  defaultCacheClient.close()
  userCacheClient.close()
  apiCacheClient.close()
  sessionCacheClient.close()
  await closeDefaults()
  await queue.close()
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
})

interface User {
  readonly id: string
  readonly name: string
}

const database = {
  getUser: vi.fn(async (id: string): Promise<User | undefined> => ({ id, name: 'John' })),
  updateUser: vi.fn(async (id: string, data: { name: string }) => ({ id, ...data })),
  getPopularProducts: vi.fn(async () => ['tea', 'coffee']),
  getAppSettings: vi.fn(async () => ({ theme: 'dark' })),
  getData: vi.fn(async (key: string) => ({ from: 'database', key })),
}
beforeEach(() => vi.clearAllMocks())

describe('quick start', () => {
  it('JSON cache client', async () => {
    await setCacheJson('config:settings', { theme: 'dark', lang: 'en' }, 3600)
    const settings = await getCacheJson('config:settings')
    expect(settings).toEqual({ theme: 'dark', lang: 'en' })

    await defaultCacheClient.setSession(
      'sess_123',
      { userId: '456', role: 'admin', permissions: ['read', 'write'] },
      7200,
    )
    const session = await defaultCacheClient.getSession('sess_123')
    expect(session).toEqual({ userId: '456', role: 'admin', permissions: ['read', 'write'] })
  })

  it('user-specific caching', async () => {
    await setUserCache('123', 'preferences', { theme: 'dark', notifications: true })
    const preferences = await getUserCache('123', 'preferences')
    expect(preferences).toEqual({ theme: 'dark', notifications: true })

    await userCacheClient.deleteUserCache('123')
    expect(await getUserCache('123', 'preferences')).toBeUndefined()
  })

  it('high-level cache client', async () => {
    const performExpensiveOperation = vi.fn(async () => 42)
    for (let i = 0; i < 2; i++) {
      const result = await defaultCacheClient.memoize(
        'expensive:operation',
        () => performExpensiveOperation(),
        3600,
      )
      expect(result).toBe(42)
    }
    expect(performExpensiveOperation).toHaveBeenCalledTimes(1)

    const { count, remaining } = await defaultCacheClient.incrementRateLimit(
      'api:user:123',
      60, // window in seconds
      100, // limit
    )
    expect([count, remaining]).toEqual([1, 99])

    await defaultCacheClient.setFeatureFlag('new_ui', true)
    const isEnabled = await defaultCacheClient.getFeatureFlag('new_ui')
    expect(isEnabled).toBe(true)
  })
})

describe('common patterns', () => {
  it('cache-aside, and its one fault: what is falsy is never kept', async () => {
    async function getUser(id: string): Promise<User | undefined> {
      let user = await getCacheJson<User>(`user:${id}`)
      if (!user) {
        user = await database.getUser(id)
        if (user) {
          await setCacheJson(`user:${id}`, user, 3600)
        }
      }
      return user
    }
    expect(await getUser('1')).toEqual({ id: '1', name: 'John' })
    expect(await getUser('1')).toEqual({ id: '1', name: 'John' })
    expect(database.getUser).toHaveBeenCalledTimes(1)
    // In Corral a miss is `undefined`; `null`, `0`, `''` and `false` are values.
    await setCacheJson('nothing', null)
    expect(await getCacheJson('nothing')).toBeNull()
  })

  it('write-through', async () => {
    async function updateUser(id: string, data: { name: string }): Promise<User> {
      const user = await database.updateUser(id, data)
      await setCacheJson(`user:${id}`, user, 3600)
      return user
    }
    await updateUser('1', { name: 'Jane' })
    expect(await getCacheJson('user:1')).toEqual({ id: '1', name: 'Jane' })
  })

  it('cache warming', async () => {
    const result = await defaultCacheClient.warmCache([
      { key: 'popular:products', fetcher: () => database.getPopularProducts(), ttl: 1800 },
      { key: 'config:app_settings', fetcher: () => database.getAppSettings(), ttl: 3600 },
    ])
    expect(result).toMatchObject({ stored: 2, failed: [] })
    expect(await getCacheJson('popular:products')).toEqual(['tea', 'coffee'])
  })

  it('bulk operations', async () => {
    await defaultCacheClient.bulkSet([
      { key: 'user:1', value: { name: 'John' }, ttl: 3600 },
      { key: 'user:2', value: { name: 'Jane' }, ttl: 3600 },
    ])
    const users = await defaultCacheClient.bulkGet(['user:1', 'user:2'])
    expect(users).toEqual([{ name: 'John' }, { name: 'Jane' }])
  })
})

describe('advanced features', () => {
  it('rate limiting: `remaining <= 0` refuses the last call that passed, `allowed` does not', async () => {
    const userIp = '203.0.113.7'
    let byRemaining = 0
    let byAllowed = 0
    for (let i = 0; i < 150; i++) {
      const limit = await defaultCacheClient.incrementRateLimit(
        `api:${userIp}`,
        60, // 1 minute window
        100, // 100 requests max
      )
      if (!(limit.remaining <= 0)) byRemaining++
      if (limit.allowed) byAllowed++
    }
    expect([byRemaining, byAllowed]).toEqual([99, 100])
  })

  it('memoization', async () => {
    const fetchUserProfile = vi.fn(async (userId: string) => ({ userId }))
    const memoizedFunction = (userId: string) =>
      defaultCacheClient.memoize(`user:${userId}:profile`, () => fetchUserProfile(userId), 3600)
    expect(await memoizedFunction('7')).toEqual({ userId: '7' })
    expect(await memoizedFunction('7')).toEqual({ userId: '7' })
    expect(fetchUserProfile).toHaveBeenCalledTimes(1)
  })

  it('health monitoring', async () => {
    const health = await defaultCacheClient.healthCheck()
    expect(health).toMatchObject({ status: 'ok', healthy: true })
    expect(health.latency).toBeGreaterThan(0)
    const stats = await cacheManager.getStats()
    expect(stats).toHaveProperty('keys')
    expect(stats).toHaveProperty('memory')
  })

  it('error handling', async () => {
    async function getDataWithFallback(key: string): Promise<unknown> {
      try {
        const cached = await getCacheJson(key)
        if (cached) return cached
      } catch {
        throw new Error('a cache that degrades does not throw')
      }
      return database.getData(key)
    }
    expect(await getDataWithFallback('x')).toEqual({ from: 'database', key: 'x' })
  })
})

describe('integration examples', () => {
  it('with Fastify routes', async () => {
    const userService = { getUser: vi.fn((id: string) => database.getUser(id)) }
    const app = fastify()
    app.get<{ Params: { id: string } }>('/api/users/:id', async (request) => {
      const { id } = request.params
      const user = await defaultCacheClient.memoize(
        `user:${id}`,
        () => userService.getUser(id),
        3600,
      )
      return user
    })
    for (let i = 0; i < 2; i++) {
      expect((await app.inject('/api/users/5')).json()).toEqual({ id: '5', name: 'John' })
    }
    expect(userService.getUser).toHaveBeenCalledTimes(1)
    await app.close()
  })

  it('with services', async () => {
    class UserService {
      async getUser(id: string): Promise<User | undefined> {
        return userCacheClient.memoize(`profile:${id}`, () => this.fetchFromDatabase(id), 3600)
      }
      async invalidateUser(id: string): Promise<void> {
        await userCacheClient.deleteUserCache(id)
      }
      fetchFromDatabase(id: string): Promise<User | undefined> {
        return database.getUser(id)
      }
    }
    const service = new UserService()
    await service.getUser('1')
    await service.getUser('1')
    expect(database.getUser).toHaveBeenCalledTimes(1)
    await service.invalidateUser('1')
    await service.getUser('1')
    expect(database.getUser).toHaveBeenCalledTimes(2)
  })

  it('with workers', async () => {
    const performProcessing = vi.fn(async (data: unknown) => ({ done: data }))
    const processJob = async (job: { id: string; data: unknown }): Promise<unknown> => {
      const cacheKey = `job:${job.id}:result`
      const cached = await cacheGet(cacheKey)
      if (cached) return cached
      const result = await performProcessing(job.data)
      await cacheSet(cacheKey, result, { ttl: 3600 })
      return result
    }
    await processJob({ id: '1', data: 5 })
    expect(await processJob({ id: '1', data: 5 })).toEqual({ done: 5 })
    expect(performProcessing).toHaveBeenCalledTimes(1)
    expect(await cacheGetOrSet('x', async () => 1, { ttl: 1800 })).toBe(1)
  })
})

describe('the four clients', () => {
  it('keep out of each other’s way', async () => {
    await defaultCacheClient.setCacheJson('k', 'default')
    await userCacheClient.setCacheJson('k', 'user')
    await apiCacheClient.setCacheJson('k', 'api')
    await sessionCacheClient.setSession('k', 'session')
    expect(await getCacheJson('k')).toBe('default')
    expect(await userCacheClient.getCacheJson('k')).toBe('user')
    expect(await apiCacheClient.getCacheJson('k')).toBe('api')
    expect(await sessionCacheClient.getSession('k')).toBe('session')
    expect(await defaultCacheClient.getSession('k')).toBeUndefined()
  })

  it('serve what was made of them at the top of a module', async () => {
    await profileOf('1')
    await profileOf('1')
    expect(loadProfile).toHaveBeenCalledTimes(1)
    await userCacheClient.deleteUserCache(1)
    await profileOf('1')
    expect(loadProfile).toHaveBeenCalledTimes(2)
    expect((await perUser.consume('1')).allowed).toBe(true)
    expect((await perUser.consume('1')).allowed).toBe(false)
    await new Promise((resolve) => store.set('sid', { views: 1 }, resolve))
    expect(
      await new Promise((resolve) => store.get('sid', (_, session) => resolve(session))),
    ).toEqual({ views: 1 })
  })

  it('open anew after the defaults were closed', async () => {
    await setCacheJson('k', 1)
    await closeDefaults()
    expect(await getCacheJson('k')).toBe(1)
    expect(await defaultCacheClient.getFeatureFlag('none')).toBe(false)
  })
})
