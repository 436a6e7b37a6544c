import { EventEmitter } from 'node:events'
import type { OwnedConnection } from '@corral/connection'
import type { Cache as CacheManager } from 'cache-manager'
import { Keyv } from 'keyv'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

export interface Settings {
  readonly ttl?: number
  readonly refreshThreshold?: number
  readonly cacheId?: string
}

export type Make = (settings: Settings) => CacheManager

/**
 * What cache-manager 7 documents, as one table: run against its own cache in memory, which is the
 * reference, and against everything that claims to behave like it.
 */
export function checkBehaviour(make: Make, connectionOf: () => OwnedConnection): void {
  const made: CacheManager[] = []
  const open = (settings: Settings = {}): CacheManager => {
    const cache = make(settings)
    made.push(cache)
    return cache
  }
  let cache: CacheManager
  beforeEach(() => {
    cache = open({ ttl: 60_000 })
  })
  afterEach(async () => {
    for (const one of made.splice(0)) await one.disconnect()
  })

  it.each([['text'], [null], [0], [false], [''], [{ a: [1, null] }], [[1, 2]]])(
    'gives back %j',
    async (value) => {
      expect(await cache.set('k', value)).toEqual(value)
      expect(await cache.get('k')).toEqual(value)
      expect(await cache.wrap('k', () => 'loaded')).toEqual(value)
    },
  )

  it('misses with undefined', async () => {
    expect(await cache.get('absent')).toBeUndefined()
    expect(await cache.ttl('absent')).toBeUndefined()
    expect(await cache.mget(['absent', 'too'])).toEqual([undefined, undefined])
  })

  it('treats undefined as no value, over an older one too', async () => {
    await cache.set('k', 1)
    expect(await cache.set('k', undefined)).toBeUndefined()
    expect(await cache.get('k')).toBeUndefined()
  })

  it('takes a time in milliseconds', async () => {
    await cache.set('k', 1, 30)
    await vi.waitFor(async () => expect(await cache.get('k')).toBeUndefined())
    await cache.set('k', 1, 20_000)
    expect(Math.abs(((await cache.ttl('k')) ?? 0) - Date.now() - 20_000)).toBeLessThan(2_000)
  })

  it('uses its own ttl where none is given, and has no end for 0', async () => {
    await cache.set('a', 1)
    expect(Math.abs(((await cache.ttl('a')) ?? 0) - Date.now() - 60_000)).toBeLessThan(2_000)
    await cache.set('b', 1, 0)
    expect(await cache.ttl('b')).toBeUndefined()
    expect(await cache.get('b')).toBe(1)
  })

  it('sets and gets many, in their order', async () => {
    expect(
      await cache.mset([
        { key: 'a', value: 1, ttl: 20_000 },
        { key: 'b', value: 2 },
      ]),
    ).toEqual([
      { key: 'a', value: 1, ttl: 20_000 },
      { key: 'b', value: 2, ttl: 60_000 },
    ])
    expect(await cache.mget(['b', 'absent', 'a'])).toEqual([2, undefined, 1])
    expect(Math.abs(((await cache.ttl('a')) ?? 0) - Date.now() - 20_000)).toBeLessThan(2_000)
  })

  it('deletes, also what is not there', async () => {
    await cache.mset([
      { key: 'a', value: 1 },
      { key: 'b', value: 2 },
      { key: 'c', value: 3 },
    ])
    expect(await cache.del('a')).toBe(true)
    expect(await cache.del('a')).toBe(true)
    expect(await cache.mdel(['b', 'absent'])).toBe(true)
    expect(await cache.mget(['a', 'b', 'c'])).toEqual([undefined, undefined, 3])
  })

  it('clears everything', async () => {
    await cache.set('a', 1)
    expect(await cache.clear()).toBe(true)
    expect(await cache.get('a')).toBeUndefined()
    await cache.set('a', 2)
    expect(await cache.get('a')).toBe(2)
  })

  describe('wrap', () => {
    it('loads what is missing, once, and keeps it', async () => {
      const load = vi.fn(async () => ({ name: 'Ada' }))
      const both = await Promise.all([cache.wrap('k', load), cache.wrap('k', load)])
      expect(both).toEqual([{ name: 'Ada' }, { name: 'Ada' }])
      expect(await cache.wrap('k', load)).toEqual({ name: 'Ada' })
      expect(await cache.get('k')).toEqual({ name: 'Ada' })
      expect(load).toHaveBeenCalledTimes(1)
    })

    it('passes an error on to all and keeps nothing', async () => {
      const load = vi.fn(async () => {
        throw new Error('no database')
      })
      const both = await Promise.allSettled([cache.wrap('k', load), cache.wrap('k', load)])
      expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      expect(load).toHaveBeenCalledTimes(1)
      await expect(cache.wrap('k', load)).rejects.toThrow('no database')
      expect(await cache.wrap('k', () => 1)).toBe(1)
    })

    it.each([
      ['as a number', 20_000],
      ['as a function of the value', (value: number) => value * 20_000],
      ['among options', { ttl: 20_000 }],
    ])('takes a time %s', async (_kind, ttl) => {
      expect(await cache.wrap('k', () => 1, ttl as number)).toBe(1)
      expect(Math.abs(((await cache.ttl('k')) ?? 0) - Date.now() - 20_000)).toBeLessThan(2_000)
    })

    it('gives the raw entry when asked', async () => {
      for (const _time of ['loaded', 'cached']) {
        const entry = await cache.wrap('k', () => 1, { ttl: 20_000, raw: true })
        expect(entry?.value).toBe(1)
        expect(Math.abs((entry?.expires ?? 0) - Date.now() - 20_000)).toBeLessThan(2_000)
      }
    })

    it('loads again what was loaded as undefined, and not what was null', async () => {
      const nothing = vi.fn(() => undefined)
      expect(await cache.wrap('a', nothing)).toBeUndefined()
      expect(await cache.wrap('a', nothing)).toBeUndefined()
      expect(nothing).toHaveBeenCalledTimes(2)
      const none = vi.fn(() => null)
      expect(await cache.wrap('b', none)).toBeNull()
      expect(await cache.wrap('b', none)).toBeNull()
      expect(none).toHaveBeenCalledTimes(1)
    })

    it.each([
      ['as an argument', {}, (load: () => number) => cache.wrap('k', load, 20_000, 25_000)],
      [
        'as a function',
        {},
        (load: () => number) =>
          cache.wrap('k', load, { ttl: 20_000, refreshThreshold: (value) => value * 25_000 }),
      ],
    ])('refreshes behind the answer below the threshold, %s', async (_kind, _none, call) => {
      const refreshed = vi.fn()
      cache.on('refresh', refreshed)
      let loads = 0
      const load = (): number => ++loads
      expect(await call(load)).toBe(1)
      expect(await call(load)).toBe(1)
      await vi.waitFor(() => expect(refreshed).toHaveBeenCalledWith({ key: 'k', value: 2 }))
      expect(await cache.get('k')).toBe(2)
      expect(loads).toBe(2)
    })

    it('refreshes by the threshold of the cache, and not above it', async () => {
      const eager = open({ ttl: 20_000, refreshThreshold: 25_000 })
      const refreshed = vi.fn()
      eager.on('refresh', refreshed)
      let loads = 0
      const load = (): number => ++loads
      await eager.wrap('k', load)
      expect(await eager.wrap('k', load)).toBe(1)
      await vi.waitFor(() => expect(refreshed).toHaveBeenCalledTimes(1))
      expect(await eager.wrap('k', load, 20_000, 1_000)).toBe(2)
      expect(loads).toBe(2)
    })

    it('serves the old value while the refresh runs, and refreshes once for all who ask', async () => {
      await cache.wrap('k', () => 1, 20_000)
      let release = (): void => undefined
      const released = new Promise<void>((done) => (release = done))
      const load = vi.fn(() => released.then(() => 2))
      expect(await cache.wrap('k', load, 20_000, 25_000)).toBe(1)
      await vi.waitFor(() => expect(load).toHaveBeenCalledTimes(1))
      expect(await cache.get('k')).toBe(1)
      expect(await cache.wrap('k', load, 20_000, 25_000)).toBe(1)
      release()
      await vi.waitFor(async () => expect(await cache.get('k')).toBe(2))
      expect(load).toHaveBeenCalledTimes(1)
    })

    it('keeps the old value when the refresh fails, and tells', async () => {
      const refreshed = vi.fn()
      cache.on('refresh', refreshed)
      await cache.wrap('k', () => 1, 20_000)
      const failing = (): number => {
        throw new Error('no database')
      }
      expect(await cache.wrap('k', failing, 20_000, 25_000)).toBe(1)
      await vi.waitFor(() =>
        expect(refreshed).toHaveBeenCalledWith({
          key: 'k',
          value: 1,
          error: expect.objectContaining({ message: 'no database' }),
        }),
      )
      expect(await cache.get('k')).toBe(1)
    })
  })

  it('tells what is done by events', async () => {
    const told: unknown[] = []
    const events = ['get', 'mget', 'set', 'mset', 'del', 'mdel', 'clear'] as const
    for (const event of events) {
      cache.on(event as 'get', (data: unknown) => told.push([event, data]))
    }
    await cache.set('a', 1)
    await cache.get('a')
    await cache.get('absent')
    await cache.mset([{ key: 'b', value: 2 }])
    await cache.mget(['a', 'absent'])
    await cache.wrap('c', () => 3)
    await cache.wrap('c', () => 4)
    await cache.del('a')
    await cache.mdel(['b'])
    await cache.clear()
    expect(told).toEqual([
      ['set', { key: 'a', value: 1, store: 'primary' }],
      ['set', { key: 'a', value: 1 }],
      ['get', { key: 'a', value: 1, store: 'primary' }],
      ['mset', { list: [{ key: 'b', value: 2, ttl: 60_000 }] }],
      ['mget', { keys: ['a', 'absent'], values: [1, undefined] }],
      ['set', { key: 'c', value: 3, store: 'primary' }],
      ['set', { key: 'c', value: 3 }],
      ['del', { key: 'a' }],
      ['mdel', { keys: ['b'] }],
      ['clear', undefined],
    ])
  })

  it('stops telling', async () => {
    const heard = vi.fn()
    expect(cache.on('set', heard)).toBeInstanceOf(EventEmitter)
    cache.off('set', heard)
    await cache.set('a', 1)
    expect(heard).not.toHaveBeenCalled()
  })

  it('tells its id', () => {
    expect(open({ cacheId: 'mine' }).cacheId()).toBe('mine')
    expect(cache.cacheId()).toMatch(/^\w+$/)
    expect(cache.cacheId()).toBe(cache.cacheId())
  })

  it('shows its store, a Keyv of the same entries', async () => {
    expect(cache.stores).toHaveLength(1)
    const [keyv] = cache.stores as [Keyv]
    expect(keyv).toBeInstanceOf(Keyv)
    await cache.set('a', { b: 1 }, 20_000)
    expect(await keyv.get('a')).toEqual({ b: 1 })
    const raw = await keyv.get('a', { raw: true })
    expect(Math.abs((raw?.expires ?? 0) - Date.now() - 20_000)).toBeLessThan(2_000)
    await keyv.set('b', 2, 20_000)
    expect(await cache.mget(['a', 'b'])).toEqual([{ b: 1 }, 2])
    expect(await keyv.delete('b')).toBe(true)
    expect(await keyv.delete('b')).toBe(false)
    expect(await cache.get('b')).toBeUndefined()
    await keyv.clear()
    expect(await cache.get('a')).toBeUndefined()
  })

  it('disconnects, twice too, and leaves the connection open', async () => {
    await cache.set('a', 1)
    await cache.disconnect()
    await cache.disconnect()
    expect((await connectionOf().health()).healthy).toBe(true)
  })
}
