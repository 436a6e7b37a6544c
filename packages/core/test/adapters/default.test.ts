import { openConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  CacheManager,
  cacheGet,
  cacheManager,
  cacheSet,
  closeDefaults,
  configureDefaults,
} from '../../src/adapters/default/index.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

beforeEach(async () => {
  await server.command('FLUSHALL')
  vi.stubEnv('CACHE_MAX_LATENCY_MS', '5000')
})

afterEach(async () => {
  await closeDefaults()
  configureDefaults({})
  vi.unstubAllEnvs()
})

async function clients(): Promise<number> {
  return ((await server.command('CLIENT', 'LIST')) as string).trim().split('\n').length
}

describe('the default cache', () => {
  it('opens nothing before its first call, and one connection for all', async () => {
    vi.stubEnv('REDIS_URL', server.url)
    const before = await clients()
    const other = new CacheManager({ namespace: 'other' })
    expect(await clients()).toBe(before)
    await cacheSet('a', 1)
    await other.set('a', 2)
    expect(await clients()).toBe(before + 1)
    expect(await cacheGet('a')).toBe(1)
    expect(await other.get('a')).toBe(2)
    await closeDefaults()
    await vi.waitFor(async () => expect(await clients()).toBe(before))
  })

  it('lives in the namespace that BULLMQ_PREFIX names, or in `cache`', async () => {
    vi.stubEnv('REDIS_URL', server.url)
    await cacheSet('a', 1)
    await closeDefaults()
    vi.stubEnv('BULLMQ_PREFIX', 'dripiq')
    await cacheSet('a', 1)
    const keys = (await server.command('KEYS', '*cache::*')) as string[]
    expect(keys.toSorted((a, b) => a.localeCompare(b))).toEqual(['cache::a', 'dripiq:cache::a'])
  })

  it('says what is missing when nothing names a Redis, and when the environment is wrong', async () => {
    vi.stubEnv('REDIS_URL', '')
    await expect(cacheGet('a')).rejects.toThrow('REDIS_URL: must be set')
    await expect(cacheManager.getStats()).rejects.toThrow('configureDefaults')
    vi.stubEnv('REDIS_URL', 'http://user:hunter2@cache')
    await expect(cacheGet('a')).rejects.toThrow('REDIS_URL: must begin with redis://')
    await expect(cacheGet('a')).rejects.not.toThrow('hunter2')
    vi.stubEnv('REDIS_URL', server.url)
    expect(await cacheGet('a')).toBeUndefined()
  })

  it('takes what it is given, before its first use and not after', async () => {
    await using connection = openConnection(server.url, { deadline: '5s' })
    configureDefaults({ connection, namespace: 'mine', ttl: '10m' })
    await cacheSet('a', 1)
    expect(Number(await server.command('TTL', 'mine::a'))).toBeGreaterThan(590)
    expect(() => configureDefaults({ namespace: 'late' })).toThrow('in use')
    await closeDefaults()
    expect((await connection.health()).healthy).toBe(true)
    configureDefaults({ connection, namespace: 'late' })
    await cacheSet('a', 1)
    expect(await server.command('EXISTS', 'late::a')).toBe(1)
  })

  it.each([
    ['an unknown option', { prefix: 'x' }, 'prefix'],
    ['a wrong namespace', { namespace: 'bull' }, 'namespace'],
    ['a wrong connection', { connection: 'redis://cache' }, 'connection'],
    ['a wrong ttl', { ttl: -1 }, 'ttl'],
  ])('refuses %s at once', (_name, options, told) => {
    expect(() => configureDefaults(options as never)).toThrow(told)
  })
})

describe('CacheManager', () => {
  it('has the calls of a cache by their classic names', async () => {
    vi.stubEnv('REDIS_URL', server.url)
    const cache = new CacheManager({ namespace: 'shop' })
    expect(await cache.set('user:1', { name: 'Ada' }, '5m')).toBe(true)
    expect(await cache.get('user:1')).toEqual({ name: 'Ada' })
    expect(await cache.has('user:1')).toBe(true)
    expect(await cache.getMany(['user:1', 'absent'])).toEqual([{ name: 'Ada' }, undefined])
    expect(await cache.getOrSet('user:2', () => 2, 60)).toBe(2)
    expect(await cache.increment('hits', 3, { ttl: '1m' })).toBe(3)
    expect(await cache.decrement('hits')).toBe(2)
    expect(await cache.expire('user:1', 600)).toBe(true)
    expect(await cache.ttl('user:1')).toBeGreaterThan(590)
    expect(await cache.deletePattern('user')).toBe(2)
    expect(await cache.del('hits')).toBe(true)
    await cache.set('a', 1)
    expect(await cache.clear()).toBe(true)
    expect(await cache.get('a')).toBeUndefined()
    expect(cache.cache.namespace).toBe('shop')
    await cache.close()
    expect(await cache.get('a')).toBeUndefined()
  })

  it.each([
    ['defaultTtl', { defaultTtl: -1 }],
    ['maxKeys', { maxKeys: 0 }],
    ['namespace', { namespace: 'a*' }],
  ])('refuses a wrong %s at once', (name, options) => {
    expect(() => new CacheManager(options)).toThrow(name)
  })
})
