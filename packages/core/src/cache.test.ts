import { fakeClock, recordTrace } from '@corral/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type Cache } from './cache.ts'

const clock = fakeClock()
let cache: Cache

beforeEach(() => {
  cache = createCache({ namespace: 'shop:v1', clock })
})

afterEach(async () => {
  await cache.close()
})

describe('get and set', () => {
  it('a key that was never set is undefined', async () => {
    expect(await cache.get('user:1')).toBeUndefined()
    expect(await cache.has('user:1')).toBe(false)
  })

  it.each([null, false, 0, '', [], {}, ':colon', { a: [1, { b: null }] }, Buffer.from([0, 255])])(
    'holds %j as a value',
    async (value) => {
      expect(await cache.set('user:1', value)).toBe(true)
      expect(await cache.get('user:1')).toEqual(value)
      expect(await cache.has('user:1')).toBe(true)
    },
  )

  it('never stores undefined, and says so', async () => {
    expect(await cache.set('user:1', undefined)).toBe(false)
    expect(await cache.has('user:1')).toBe(false)
  })

  it('hands out copies', async () => {
    const value = { list: [1] }
    await cache.set('user:1', value)
    value.list.push(2)
    const first = await cache.get<typeof value>('user:1')
    first?.list.push(3)
    expect(await cache.get('user:1')).toEqual({ list: [1] })
  })

  it.each([[1n], [() => 1], [Symbol('s')], [{ deep: 1n }]])(
    'refuses %s, naming the key',
    async (value) => {
      await expect(cache.set('user:1', value)).rejects.toMatchObject({
        code: 'UNSERIALIZABLE_VALUE',
        message: expect.stringContaining('user:1') as string,
      })
    },
  )

  it('refuses a cycle', async () => {
    const value: { self?: unknown } = {}
    value.self = value
    await expect(cache.set('user:1', value)).rejects.toMatchObject({ code: 'UNSERIALIZABLE_VALUE' })
  })

  it('does not let a value reach the prototype of what is read', async () => {
    await cache.set('user:1', JSON.parse('{"__proto__":{"admin":true},"name":"Ada"}'))
    const value = await cache.get<{ admin?: boolean }>('user:1')
    expect(value).toEqual({ name: 'Ada' })
    expect(value?.admin).toBeUndefined()
  })

  it('keeps caches of other namespaces, and keys that differ only in what is encoded, apart', async () => {
    const other = createCache({ namespace: 'shop:v2', clock })
    await cache.set('a b', 1)
    await cache.set('a%20b', 2)
    await other.set('a b', 3)
    expect(await cache.getMany(['a b', 'a%20b', 'a_b'])).toEqual([1, 2, undefined])
    await other.close()
  })

  it.each([[42], [undefined], ['\ud800']])('rejects the key %j with a TypeError', async (key) => {
    const wrong = key as string
    await expect(cache.get(wrong)).rejects.toThrow(TypeError)
    await expect(cache.set(wrong, 1)).rejects.toThrow(TypeError)
    await expect(cache.delete(wrong)).rejects.toThrow(TypeError)
    await expect(cache.getOrSet(wrong, () => 1)).rejects.toThrow(TypeError)
    await expect(cache.getMany([wrong])).rejects.toThrow(TypeError)
    await expect(cache.ttl(wrong)).rejects.toThrow(TypeError)
  })
})

describe('ttl', () => {
  it.each([
    ['5m' as const, 300],
    [300, 300],
    [{ ttl: '250ms' as const }, 0.25],
    [{ ttl: 0.5 }, 0.5],
    ['forever' as const, Infinity],
    [undefined, 3_600],
    [{}, 3_600],
  ])('%j lives %d seconds', async (ttl, seconds) => {
    await cache.set('user:1', 1, ttl)
    expect(await cache.ttl('user:1')).toBe(seconds)
  })

  it('ends an entry', async () => {
    await cache.set('user:1', 1, '5m')
    await clock.advance(299_999)
    expect(await cache.get('user:1')).toBe(1)
    expect(await cache.ttl('user:1')).toBe(0.001)
    await clock.advance(1)
    expect(await cache.get('user:1')).toBeUndefined()
    expect(await cache.ttl('user:1')).toBeUndefined()
  })

  it('goes by the monotonic clock, not the wall clock', async () => {
    await cache.set('user:1', 1, '5m')
    clock.jumpWall(3_600_000)
    expect(await cache.get('user:1')).toBe(1)
  })

  it.each([
    [0, RangeError],
    [-1, TypeError],
    [NaN, TypeError],
    [Infinity, RangeError],
    ['5', TypeError],
    ['soon', TypeError],
    [null, TypeError],
    [4e9, RangeError],
  ])('refuses %j, in set, in options and in getOrSet', async (ttl, kind) => {
    const wrong = ttl as number
    await expect(cache.set('user:1', 1, wrong)).rejects.toThrow(kind)
    await expect(cache.set('user:1', 1, { ttl: wrong })).rejects.toThrow(/^ttl: .*received/)
    await expect(cache.getOrSet('user:1', () => 1, wrong)).rejects.toThrow(kind)
    expect(() => createCache({ namespace: 'n', ttl: wrong })).toThrow(kind)
    expect(await cache.has('user:1')).toBe(false)
  })
})

describe('delete', () => {
  it('is true for a key that was there and for one that was not', async () => {
    await cache.set('user:1', 1)
    expect(await cache.delete('user:1')).toBe(true)
    expect(await cache.delete('user:1')).toBe(true)
    expect(await cache.get('user:1')).toBeUndefined()
  })
})

describe('many', () => {
  it('sets, reads and deletes thousands in their order', async () => {
    const keys = Array.from({ length: 5_000 }, (_, index) => `user:${index}`)
    const stored = await cache.setMany(keys.map((key, value) => ({ key, value })))
    expect(stored).toEqual(keys.map(() => true))
    expect(await cache.getMany([...keys, 'none'])).toEqual([...keys.keys(), undefined])
    expect(await cache.deleteMany(keys.slice(0, 4_000))).toEqual(
      keys.slice(0, 4_000).map(() => true),
    )
    expect((await cache.getMany(keys)).filter((value) => value !== undefined)).toHaveLength(1_000)
  })

  it('takes a ttl for all and one for each, and skips undefined', async () => {
    const entries = [
      { key: 'a', value: 1 },
      { key: 'b', value: undefined },
      { key: 'c', value: 3, ttl: '1m' as const },
    ]
    expect(await cache.setMany(entries, '2m')).toEqual([true, false, true])
    expect(await Promise.all(['a', 'b', 'c'].map((key) => cache.ttl(key)))).toEqual([
      120,
      undefined,
      60,
    ])
  })

  it('stores nothing when one value cannot be', async () => {
    const entries = [
      { key: 'a', value: 1 },
      { key: 'b', value: 1n },
    ]
    await expect(cache.setMany(entries)).rejects.toMatchObject({ code: 'UNSERIALIZABLE_VALUE' })
    expect(await cache.has('a')).toBe(false)
  })

  it('of nothing is nothing', async () => {
    expect(await cache.getMany([])).toEqual([])
    expect(await cache.setMany([])).toEqual([])
    expect(await cache.deleteMany([])).toEqual([])
  })
})

describe('stats, health and close', () => {
  it('counts', async () => {
    await cache.set('a', 1)
    await cache.get('a')
    await cache.getMany(['a', 'b'])
    await cache.getOrSet('c', () => 1)
    await cache.delete('a')
    expect(cache.counts()).toMatchObject({ hits: 2, nearHits: 0, misses: 2, sets: 2 })
    expect(await cache.stats()).toEqual({
      hits: 2,
      nearHits: 0,
      misses: 2,
      hitRate: 0.5,
      sets: 2,
      deletes: 1,
      loads: 1,
      coalesced: 0,
      staleServed: 0,
      leaseWaited: 0,
      refreshes: 0,
      earlyRefreshes: 0,
      outageHits: 0,
      errors: 0,
      keys: 1,
      memory: undefined,
      nearEntries: 0,
      available: true,
      reconnectAttempts: 0,
    })
    expect(await cache.health()).toMatchObject({ status: 'ok', healthy: true })
  })

  it('after close does without, or throws when asked to', async () => {
    await cache.set('a', 1)
    await cache.close()
    await cache.close()
    expect(await cache.get('a')).toBeUndefined()
    expect(await cache.set('a', 1)).toBe(false)
    expect(await cache.setMany([{ key: 'a', value: 1 }])).toEqual([false])
    expect(await cache.delete('a')).toBe(false)
    expect(await cache.deleteMany(['a'])).toEqual([false])
    expect(await cache.getOrSet('a', () => 2)).toBe(2)
    expect((await cache.health()).healthy).toBe(false)

    const strict = createCache({ namespace: 'n', onError: 'throw', clock })
    await strict.close()
    for (const call of [
      () => strict.get('a'),
      () => strict.getMany(['a']),
      () => strict.set('a', 1),
      () => strict.setMany([{ key: 'a', value: 1 }]),
      () => strict.delete('a'),
      () => strict.deleteMany(['a']),
      () => strict.ttl('a'),
      () => strict.getOrSet('a', () => 1),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'CACHE_CLOSED' })
    }
  })

  it('is disposable', async () => {
    await using disposable = createCache({ namespace: 'n', clock })
    expect(await disposable.set('a', 1)).toBe(true)
  })
})

describe('trace channels', () => {
  it('tell what happened, and read no clock when nobody listens', async () => {
    const now = vi.spyOn(clock, 'now')
    const silent = createCache({ namespace: 'quiet', clock })
    await silent.get('a')
    expect(now).not.toHaveBeenCalled()
    now.mockRestore()
    await silent.close()

    using trace = recordTrace(
      ['hit', 'miss', 'set', 'delete', 'load', 'coalesced', 'error'],
      'corral:core:',
    )
    await Promise.all([cache.getOrSet('a', () => 'x', '1m'), cache.getOrSet('a', () => 'y')])
    await cache.get('a')
    await cache.delete('a')
    await cache.close()
    await cache.get('a')
    const of = { source: cache.source, namespace: 'shop:v1', key: 'a' }
    expect(
      trace.events.map(({ name, message }) => [name.slice('corral:core:'.length), message]),
    ).toEqual([
      ['coalesced', of],
      ['miss', { ...of, reason: 'absent', duration: 0 }],
      [
        'set',
        { ...of, stored: true, size: expect.any(Number) as number, ttlMs: 60_000, duration: 0 },
      ],
      ['load', { ...of, outcome: 'stored', behind: false, duration: 0 }],
      [
        'hit',
        {
          ...of,
          tier: 'memory',
          stale: false,
          size: expect.any(Number) as number,
          duration: 0,
        },
      ],
      ['delete', { ...of, acknowledged: true, duration: 0 }],
      [
        'error',
        {
          source: cache.source,
          namespace: 'shop:v1',
          operation: 'get',
          code: 'CACHE_CLOSED',
          reason: undefined,
        },
      ],
      ['miss', { ...of, reason: 'unavailable', duration: 0 }],
    ])
  })
})
