import { monitor, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  authCache,
  authCacheRedis,
  closeDefaults,
  configureAuthDefaults,
  configureDefaults,
} from '../src/default/index.ts'

/** The examples of seed 001's auth cache, as written there but for the imports. */

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await server.command('FLUSHALL')
  vi.stubEnv('REDIS_URL', server.url)
  vi.stubEnv('BULLMQ_PREFIX', 'dripiq')
  vi.stubEnv('CACHE_MAX_LATENCY_MS', '5000')
})
afterEach(async () => {
  await authCache.close()
  await closeDefaults()
  configureDefaults({})
  configureAuthDefaults({})
  vi.unstubAllEnvs()
})

describe('seed 001', () => {
  it('auth cache', async () => {
    // Token management
    await authCacheRedis.setToken('jwt_token_123')
    const token = await authCacheRedis.getToken('jwt_token_123')
    expect(token).toBe('jwt_token_123')
    await authCacheRedis.clearToken('jwt_token_123')
    expect(await authCacheRedis.getToken('jwt_token_123')).toBeUndefined()

    // User auth data
    await authCacheRedis.set('supabase_user_123', {
      user: { id: '123', email: 'user@example.com' },
      userTenants: [{ id: 'tenant1', name: 'Company', isSuperUser: false }],
    })

    const authData = await authCacheRedis.get('supabase_user_123')
    expect(authData).toEqual({
      user: { id: '123', email: 'user@example.com' },
      userTenants: [{ id: 'tenant1', name: 'Company', isSuperUser: false }],
    })
    const keys = (await server.command('KEYS', 'dripiq:cache:auth::*')) as string[]
    expect(keys).toEqual(['dripiq:cache:auth::u:supabase_user_123'])
  })

  it('migration from the in-memory cache', async () => {
    const token = 'jwt_token_456'
    const supabaseId = 'supabase_user_456'
    // All methods are now async
    await authCache.setToken(token)
    const user = await authCache.get(supabaseId)
    await authCache.clearToken(token)
    expect(user).toBeUndefined()
    expect(authCache).toBe(authCacheRedis)
  })
})

describe('the default auth cache', () => {
  it('says what is missing', async () => {
    vi.stubEnv('REDIS_URL', undefined)
    await expect(authCache.getToken('x')).rejects.toThrow(/REDIS_URL/)
  })

  it('rides on the connection of a queue, and begins anew when closed', async () => {
    vi.stubEnv('REDIS_URL', undefined)
    const queue = new Queue('mail', { connection: { host: server.host, port: server.port } })
    try {
      await queue.waitUntilReady()
      configureDefaults({ connection: queue, namespace: 'shop' })
      configureAuthDefaults({ pepper: 'p'.repeat(32) })
      await authCache.setToken('a')
      expect(authCache.namespace).toBe('shop:auth')
      expect(() => configureAuthDefaults({})).toThrow(/in use/)
      await closeDefaults()
      expect(await authCache.getToken('a')).toBe('a')
      await authCache.revokeAll()
      expect(await authCache.getToken('a')).toBeUndefined()
      await authCache.close()
      await closeDefaults()
      // The queue's connection is as it was.
      await queue.add('job', {})
      expect(await queue.count()).toBe(1)
    } finally {
      await queue.close()
    }
  })

  it('opens nothing before its first call', async () => {
    await using watch = await monitor(server)
    expect(() => configureAuthDefaults({ ttl: -1 })).toThrow(/ttl/)
    configureAuthDefaults({ ttl: '1m' })
    expect((await watch.commands()).length).toBe(0)
    await authCache.setToken('a')
    await waitFor(async () => (await watch.commands()).length > 0)
  })
})
