import { openConnection, type OwnedConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { asCacheManager } from '../../src/adapters/cache-manager/index.ts'
import { createCache } from '../../src/index.ts'
import { checkBehaviour, type Make } from './cache-manager-behaviour.ts'

let server: TestRedis
let connection: OwnedConnection

beforeAll(async () => {
  server = await startRedis()
  connection = openConnection(server.url, { deadline: '5s' })
})

afterAll(async () => {
  await connection.close()
  await server.stop()
})

beforeEach(async () => {
  await server.command('FLUSHALL')
})

const namespace = 'shop'
const makers: readonly (readonly [string, Make])[] = [
  [
    'asCacheManager',
    (settings) => asCacheManager(createCache({ connection, namespace }), settings),
  ],
  [
    'asCacheManager with a near cache',
    (settings) =>
      asCacheManager(
        createCache({ connection, namespace, near: { maxEntries: 100, ttl: '1m' } }),
        settings,
      ),
  ],
  ['asCacheManager in memory', (settings) => asCacheManager(createCache({ namespace }), settings)],
]

describe.each(makers)('%s', (_name, make) => {
  checkBehaviour(make, () => connection)
})

describe('on Redis', () => {
  it.each(makers.slice(0, 2))('%s writes at <namespace>::<key>', async (_name, make) => {
    const cache = make({ ttl: 60_000 })
    await cache.set('user:1', { name: 'Ada' })
    expect(await server.command('KEYS', '*user*')).toEqual(['shop::user:1'])
    expect(Number(await server.command('PTTL', 'shop::user:1'))).toBeGreaterThan(50_000)
    await cache.disconnect()
  })

  it.each(makers.slice(0, 2))('%s does without Redis while it is away', async (_name, make) => {
    const cache = make({ ttl: 60_000 })
    connection.isolate()
    try {
      expect(await cache.set('a', 1)).toBe(1)
      expect(await cache.get('a')).toBeUndefined()
      expect(await cache.mget(['a'])).toEqual([undefined])
      expect(await cache.ttl('a')).toBeUndefined()
      expect(await cache.wrap('a', () => 2)).toBe(2)
      expect(await cache.del('a')).toBe(true)
    } finally {
      connection.reset()
    }
    await cache.disconnect()
  })

  it('loads once for two that share nothing but Redis', async () => {
    const both = [1, 2].map(() => asCacheManager(createCache({ connection, namespace })))
    let loads = 0
    const load = async (): Promise<number> => {
      loads++
      await vi.waitFor(async () => expect(await server.command('EXISTS', 'shop::k')).toBe(1))
      return 7
    }
    const values = await Promise.all(both.map((cache) => cache.wrap('k', load, 60_000)))
    expect(values).toEqual([7, 7])
    expect(loads).toBe(1)
    await Promise.all(both.map((cache) => cache.disconnect()))
  })

  it('does not store what a load brings over a del that came meanwhile, from elsewhere too', async () => {
    const cache = asCacheManager(createCache({ connection, namespace }))
    const value = await cache.wrap('k', async () => {
      await server.command('DEL', 'shop::k')
      return 'old'
    })
    expect(value).toBe('old')
    expect(await cache.get('k')).toBeUndefined()
    await cache.disconnect()
  })

  it('refreshes once for two that share nothing but Redis', async () => {
    const both = [1, 2].map(() => asCacheManager(createCache({ connection, namespace })))
    await both[0]?.wrap('k', () => 1, 20_000)
    let loads = 0
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    const load = async (): Promise<number> => {
      loads++
      await released
      return 2
    }
    const refreshed = vi.fn()
    for (const cache of both) cache.on('refresh', refreshed)
    const many = [...both, ...both, ...both]
    const ask = (): Promise<number[]> =>
      Promise.all(many.map((cache) => cache.wrap('k', load, 60_000, 25_000)))
    expect(await ask()).toEqual(many.map(() => 1))
    await vi.waitFor(() => expect(loads).toBe(1))
    expect(await ask()).toEqual(many.map(() => 1))
    release()
    await vi.waitFor(() => expect(refreshed).toHaveBeenCalledTimes(1))
    expect(refreshed).toHaveBeenCalledWith({ key: 'k', value: 2 })
    // What was refreshed has longer to live than the threshold, for both.
    expect(await ask()).toEqual(many.map(() => 2))
    // These come behind whatever a refresh would ask for, one step after the other.
    for (let step = 0; step < 5; step++) await Promise.all(both.map((cache) => cache.get('k')))
    await Promise.all(both.map((cache) => cache.disconnect()))
    expect(loads).toBe(1)
  })

  it('tells an error by the event of the call under onError: throw', async () => {
    const cache = asCacheManager(createCache({ connection, namespace, onError: 'throw' }))
    const told: unknown[] = []
    for (const event of ['get', 'set', 'del'] as const) {
      cache.on(event as 'get', ({ error }: { error?: unknown }) => told.push([event, error]))
    }
    connection.isolate()
    const away = expect.objectContaining({ code: 'REDIS_UNAVAILABLE' })
    try {
      expect(await cache.get('a')).toBeUndefined()
      await expect(cache.set('a', 1)).rejects.toEqual(away)
      await expect(cache.del('a')).rejects.toEqual(away)
    } finally {
      connection.reset()
    }
    expect(told).toEqual([
      ['get', away],
      ['set', away],
      ['del', away],
    ])
    await cache.disconnect()
  })

  it('refuses wrong options', () => {
    expect(() => asCacheManager(createCache({ namespace }), { ttl: -1 })).toThrow('ttl')
    expect(() =>
      asCacheManager(createCache({ namespace }), { refreshThreshold: '1m' } as never),
    ).toThrow('refreshThreshold')
  })
})
