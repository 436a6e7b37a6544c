import { shareConnection } from '@corral/connection'
import { monitor, recordTrace, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type Cache } from '../../src/index.ts'

let server: TestRedis
let client: Redis
let cache: Cache
let other: Cache

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await server.command('CONFIG', 'SET', 'maxmemory', '0')
  await server.command('FLUSHALL')
  client = new Redis(server.port, server.host, { socketTimeout: 15_000 })
  cache = createCache({ connection: client, namespace: 'shop:v1' })
  other = createCache({ connection: client, namespace: 'other:v1' })
  await cache.get('warm-up')
})
afterEach(async () => {
  await cache.close()
  await other.close()
  client.disconnect()
})

describe('while Redis is away', () => {
  beforeEach(() => cache.connection?.isolate())
  afterEach(() => cache.connection?.reset())

  it('getOrSet loads once a second at most, for each key', async () => {
    const load = vi.fn(() => ({ list: [1] }))
    const first = await cache.getOrSet('k', load)
    first.list.push(2)
    for (let i = 0; i < 20; i++) expect(await cache.getOrSet('k', load)).toEqual({ list: [1] })
    expect(load).toHaveBeenCalledTimes(1)
    expect(await cache.stats()).toMatchObject({ outageHits: 20, loads: 1 })
    await waitFor(async () => (await cache.getOrSet('k', load), load.mock.calls.length === 2))
  })

  it('what was set, deleted or invalidated is not taken from what was loaded before', async () => {
    for (const change of [
      () => cache.set('k', 'x'),
      () => cache.delete('k'),
      () => cache.deleteMany(['k']),
      () => cache.invalidateTags(['t']),
      () => cache.deletePattern('k'),
      () => cache.clear(),
    ]) {
      await cache.getOrSet('k', () => 'before')
      await change()
      expect(await cache.getOrSet('k', () => 'after')).toBe('after')
      await cache.delete('k')
    }
  })

  it.each([
    ['tags', () => cache.invalidateTags(['t'])],
    ['clear', () => cache.clear()],
    ['pattern', () => cache.deletePattern('k*')],
  ] as const)('listeners hear that %s were not acknowledged', async (kind, invalidate) => {
    using trace = recordTrace(['invalidate'], 'corral:core:')
    await invalidate()
    cache.connection?.reset()
    await waitFor(() => cache.connection?.available === true)
    await invalidate()
    expect(trace.of('invalidate')).toMatchObject([
      { kind, acknowledged: false },
      { kind, acknowledged: true },
    ])
  })

  it('outageBuffer: false loads each time', async () => {
    const bare = createCache({ connection: client, namespace: 'bare:v1', outageBuffer: false })
    const load = vi.fn(() => 1)
    for (let i = 0; i < 3; i++) await bare.getOrSet('k', load)
    expect(load).toHaveBeenCalledTimes(3)
    await bare.close()
  })

  it('loaders are bounded by maxLoads', async () => {
    const bounded = createCache({ connection: client, namespace: 'bounded:v1', maxLoads: 4 })
    let running = 0
    let most = 0
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`)
    await Promise.all(
      keys.map((key) =>
        bounded.getOrSet(key, async () => {
          most = Math.max(most, ++running)
          await new Promise((resolve) => setImmediate(resolve))
          running--
        }),
      ),
    )
    expect(most).toBe(4)
    await bounded.close()
  })
})

describe('what failed while Redis was away', () => {
  it.each([
    ['delete', () => cache.delete('k')],
    ['deleteMany', async () => (await cache.deleteMany(['k']))[0]],
    ['set', () => cache.set('k', 'new')],
    ['invalidateTags', () => cache.invalidateTags(['t'])],
    ['clear', () => cache.clear()],
    ['deletePattern', async () => (await cache.deletePattern('k')) > 0],
  ])(
    '%s: the old value is not served here again, and goes when Redis is back',
    async (_name, change) => {
      await cache.set('k', 'old', { tags: ['t'] })
      cache.connection?.isolate()
      expect(await change()).toBe(false)
      cache.connection?.reset()
      expect(await cache.get('k')).toBeUndefined()
      expect(await cache.getMany(['k'])).toEqual([undefined])
      const reader = createCache({ connection: client, namespace: 'shop:v1' })
      await waitFor(async () => (await reader.get('k')) === undefined)
      expect(await cache.get('k')).toBeUndefined()
      await reader.close()
      expect(await cache.getOrSet('k', () => 'loaded', { tags: ['t'] })).toBe('loaded')
      await waitFor(async () => {
        await cache.getOrSet('k', () => 'loaded')
        return (await cache.get('k')) === 'loaded'
      })
    },
  )

  it('a set or delete that is acknowledged makes up for it', async () => {
    await cache.set('k', 'old')
    cache.connection?.isolate()
    await cache.delete('k')
    cache.connection?.reset()
    expect(await cache.set('k', 'new')).toBe(true)
    expect(await cache.get('k')).toBe('new')
    await waitFor(async () => (await cache.get('k')) === 'new')
  })
})

describe('another type at the key', () => {
  it('is a miss, is never filled over, and rejects increments', async () => {
    await server.command('RPUSH', 'shop:v1::k', 'a')
    using trace = recordTrace(['error', 'load'], 'corral:core:')
    const load = vi.fn(() => 1)
    expect(await cache.get('k')).toBeUndefined()
    expect(await cache.getOrSet('k', load)).toBe(1)
    expect(await cache.getOrSet('k', load)).toBe(1)
    expect(load).toHaveBeenCalledTimes(2)
    expect(trace.of('load')).toMatchObject([{ outcome: 'not-stored' }, { outcome: 'not-stored' }])
    await expect(cache.increment('k')).rejects.toMatchObject({ code: 'WRONG_TYPE' })
    expect(await server.command('LRANGE', 'shop:v1::k', 0, -1)).toEqual(['a'])
    expect(await cache.set('k', 2)).toBe(true)
    expect(await cache.get('k')).toBe(2)
  })

  it('that came while a load was under way, is not filled over either', async () => {
    let bring!: (value: number) => void
    const load = vi.fn(() => new Promise<number>((resolve) => (bring = resolve)))
    const call = cache.getOrSet('k', load)
    await waitFor(() => load.mock.calls.length === 1)
    await server.command('DEL', 'shop:v1::k')
    await server.command('RPUSH', 'shop:v1::k', 'a')
    bring(1)
    expect(await call).toBe(1)
    expect(await cache.get('k')).toBeUndefined()
    expect(await server.command('TYPE', 'shop:v1::k')).toBe('list')
  })
})

describe('what Corral cannot read', () => {
  it('garbage is a miss, told, and removed if it is still the same', async () => {
    await server.command('SET', 'shop:v1::k', 'garbage')
    using trace = recordTrace(['miss'], 'corral:core:')
    expect(await cache.get('k')).toBeUndefined()
    expect(trace.of('miss')).toMatchObject([{ reason: 'garbage' }])
    await waitFor(async () => (await server.command('EXISTS', 'shop:v1::k')) === 0)
    await server.command('SET', 'shop:v1::k', 'garbage')
    expect(await cache.getOrSet('k', () => 'loaded')).toBe('loaded')
    expect(await cache.get('k')).toBe('loaded')
  })

  it('a later format is left alone', async () => {
    const later = '{"c":9,"at":1,"value":1}'
    await server.command('SET', 'shop:v1::k', later)
    expect(await cache.getOrSet('k', () => 'loaded')).toBe('loaded')
    expect(await cache.get('k')).toBeUndefined()
    expect(await server.command('GET', 'shop:v1::k')).toBe(later)
  })
})

describe('a full Redis under noeviction', () => {
  it('serves and deletes, stores nothing, and withdraws what could not be replaced', async () => {
    await cache.set('kept', 'kept')
    await cache.set('replaced', 'old')
    await other.set('tagged', 'old', { tags: ['t'] })
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    expect(await cache.set('replaced', 'new')).toBe(false)
    expect(await cache.get('replaced')).toBeUndefined()
    expect(await cache.get('kept')).toBe('kept')
    const load = vi.fn(() => 'loaded')
    expect(await cache.getOrSet('k', load)).toBe('loaded')
    expect(await cache.getOrSet('k', load)).toBe('loaded')
    expect(load).toHaveBeenCalledTimes(2)
    expect(await cache.delete('kept')).toBe(true)
    expect(await other.invalidateTags(['t'])).toBe(true)
    expect(await other.get('tagged')).toBeUndefined()
    await expect(cache.increment('n')).rejects.toMatchObject({ code: 'REDIS_FULL' })
    expect(await cache.clear()).toBe(true)
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    await waitFor(() => cache.set('k', 1), { what: 'room for values' })
  })
})

describe('commands', () => {
  it('a tagged hit is one; with signals off it is two', async () => {
    const blind = new Redis(server.port, server.host, { socketTimeout: 15_000 })
    const connection = shareConnection(blind, { signals: false })
    const deaf = createCache({ connection, namespace: 'shop:v1' })
    await cache.connection?.signals.whenOn(5_000)
    await cache.set('k', 1, { tags: ['a', 'b'] })
    await cache.get('k')
    await deaf.get('k')
    await using watch = await monitor(server)
    const gets = async (): Promise<number> =>
      (await watch.commands()).filter(({ name }) => name === 'MGET').length
    expect(await cache.get('k')).toBe(1)
    expect(await gets()).toBe(1)
    await watch.clear()
    expect(await deaf.get('k')).toBe(1)
    expect(await gets()).toBe(2)
    await deaf.close()
    await connection.close()
    blind.disconnect()
  })
})
