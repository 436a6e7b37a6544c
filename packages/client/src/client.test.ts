import { createCache, type Cache } from '@corral/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CacheClient, createCacheClient } from './client.ts'

let cache: Cache
let client: CacheClient

beforeEach(() => {
  cache = createCache({ namespace: 'app' })
  client = createCacheClient({ cache, userOf: true })
})
afterEach(async () => {
  client.close()
  await cache.close()
})

describe('memoize(key, fn)', () => {
  it('runs once for all who ask, and keeps what comes, falsy values too', async () => {
    for (const value of [0, '', false, null, { a: 1 }]) {
      const fn = vi.fn(() => Promise.resolve(value))
      const key = `k:${JSON.stringify(value)}`
      const all = await Promise.all([1, 2, 3].map(() => client.memoize(key, fn, 60)))
      expect(all).toEqual([value, value, value])
      expect(await client.memoize(key, fn, 60)).toEqual(value)
      expect(fn).toHaveBeenCalledTimes(1)
    }
  })

  it('keeps no error and no undefined, and loads anew when told', async () => {
    const fn = vi.fn<() => Promise<number | undefined>>()
    fn.mockRejectedValueOnce(new Error('down'))
      .mockResolvedValueOnce(undefined)
      .mockResolvedValue(3)
    await expect(client.memoize('k', fn)).rejects.toThrow('down')
    expect(await client.memoize('k', fn)).toBeUndefined()
    expect(await client.memoize('k', fn, '5m')).toBe(3)
    fn.mockResolvedValue(4)
    expect(await client.memoize('k', fn)).toBe(3)
    expect(await client.memoize('k', fn, { ttl: '5m', forceFresh: true })).toBe(4)
    expect(await client.memoize('k', fn)).toBe(4)
  })
})

describe('memoize(fn)', () => {
  it('goes by the arguments', async () => {
    const search = vi.fn(
      async (query: { text: string; page?: number }, limit: number | string) => ({
        found: `${query.text} ${limit}`,
      }),
    )
    const memo = client.memoize(search, { name: 'search', ttl: '5m' })
    expect(await memo({ text: 'a', page: 1 }, 5)).toEqual({ found: 'a 5' })
    expect(await memo({ page: 1, text: 'a' }, 5)).toEqual({ found: 'a 5' })
    expect(search).toHaveBeenCalledTimes(1)
    await memo({ text: 'a', page: 1 }, '5')
    expect(search).toHaveBeenCalledTimes(2)
    expect(await memo.invalidate({ text: 'a', page: 1 }, 5)).toBe(true)
    await memo({ text: 'a', page: 1 }, 5)
    expect(search).toHaveBeenCalledTimes(3)
    await memo.fresh({ text: 'a', page: 1 }, 5)
    expect(search).toHaveBeenCalledTimes(4)
    await memo({ text: 'a', page: 1 }, 5)
    expect(search).toHaveBeenCalledTimes(4)
    expect(await cache.has(memo.keyFor({ text: 'a', page: 1 }, 5))).toBe(true)
  })

  it('hands `this` on, and can have it in the key', async () => {
    class Shop {
      calls = 0
      readonly id: number
      readonly price: (item: string) => Promise<string>
      constructor(id: number) {
        this.id = id
        this.price = client.memoize(
          async function (this: Shop, item: string) {
            this.calls++
            return `${item} at ${this.id}`
          },
          { name: 'price', key: (item) => `${id}:${item}` },
        )
      }
    }
    const [one, two] = [new Shop(1), new Shop(2)]
    expect(await one.price('tea')).toBe('tea at 1')
    expect(await two.price('tea')).toBe('tea at 2')
    expect(await one.price('tea')).toBe('tea at 1')
    expect([one.calls, two.calls]).toEqual([1, 1])
    const byThis = client.memoize(
      async function (this: { readonly id: number }, item: string) {
        return `${item} by ${this.id}`
      },
      {
        name: 'by-this',
        key(this: { readonly id: number }, item) {
          return `${this.id}:${item}`
        },
      },
    )
    expect(await byThis.call({ id: 1 }, 'x')).toBe('x by 1')
    expect(await byThis.call({ id: 2 }, 'x')).toBe('x by 2')
  })

  it('shares a rejection and forgets it, also a thrown one', async () => {
    const fail = vi.fn((): number => {
      throw new Error('at once')
    })
    const memo = client.memoize(fail, { name: 'fail' })
    const both = await Promise.allSettled([memo(), memo()])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(fail).toHaveBeenCalledTimes(1)
    fail.mockImplementation(() => 1)
    expect(await memo()).toBe(1)
  })

  it('lets calls bypass it', async () => {
    const fn = vi.fn(async (n: number, _options?: { noCache?: boolean }) => n)
    const memo = client.memoize(fn, {
      name: 'bypass',
      key: (n) => String(n),
      bypass: (_n, options) => options?.noCache === true,
    })
    await memo(1)
    await memo(1, { noCache: true })
    await memo(1)
    expect(fn).toHaveBeenCalledTimes(2)
  })

  it('wants a name, and arguments that can be told apart', async () => {
    expect(() => client.memoize(async () => 1)).toThrow(/^name: /)
    const named = client.memoize(async function named(_fn: () => void) {
      return 1
    })
    await expect(named(() => {})).rejects.toThrow(/^argument 0: /)
    expect(() => client.memoize('k', 5 as never)).toThrow(/^fn: /)
    expect(() => client.memoize(undefined as never, () => 1)).toThrow(/^key: /)
  })
})

describe('bulk calls', () => {
  it('store, read in the order of the keys, delete', async () => {
    const entries = Array.from({ length: 1_000 }, (_, n) => ({ key: `user:${n}`, value: { n } }))
    expect(await client.bulkSet(entries, '5m')).toEqual({ ok: true, done: 1_000, failed: [] })
    const values = await client.bulkGet<{ n: number }>(['user:7', 'none', 'user:3', 'user:7'])
    expect(values).toEqual([{ n: 7 }, undefined, { n: 3 }, { n: 7 }])
    expect(await client.bulkDelete(entries.map(({ key }) => key))).toMatchObject({ done: 1_000 })
    expect(await client.bulkGet(['user:7'])).toEqual([undefined])
    expect(await client.bulkGet([])).toEqual([])
  })

  it('take a ttl for each, and name what was not stored', async () => {
    await client.bulkSet(
      [
        { key: 'a', value: 1, ttl: 60 },
        { key: 'b', value: 2 },
      ],
      600,
    )
    expect(await cache.ttl('a')).toBeLessThanOrEqual(60)
    expect(await cache.ttl('b')).toBeGreaterThan(500)
    const result = await client.bulkSet([
      { key: 'a', value: 1 },
      { key: 'none', value: undefined },
    ])
    expect(result).toEqual({ ok: false, done: 1, failed: ['none'] })
  })

  it('warm what is missing, few at once, each failing by itself', async () => {
    await client.setCacheJson('there', 'before')
    let running = 0
    let most = 0
    const fetcher = (value: unknown) => async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      if (value === 'bad') throw new Error('down')
      return value
    }
    const progress: number[] = []
    const entries = ['there', ...Array.from({ length: 20 }, (_, n) => `k${n}`), 'bad'].map(
      (key) => ({
        key,
        fetcher: fetcher(key),
        ttl: 1_800,
      }),
    )
    const result = await client.warmCache(entries, {
      concurrency: 3,
      onProgress: ({ done }) => progress.push(done),
    })
    expect(result).toMatchObject({ stored: 20, present: 1 })
    expect(result.failed).toEqual([{ key: 'bad', error: new Error('down') }])
    expect(most).toBe(3)
    expect(progress.at(-1)).toBe(22)
    expect(await client.getCacheJson('there')).toBe('before')
    expect(await client.getCacheJson('k7')).toBe('k7')
    await expect(client.warmCache([], { concurrency: 0 })).rejects.toThrow(RangeError)
  })
})

describe('without Redis', () => {
  it('limits and flags are of this process, sessions are refused', async () => {
    const results = await Promise.all([1, 2, 3].map(() => client.incrementRateLimit('k', 60, 2)))
    expect(results.map(({ allowed }) => allowed)).toEqual([true, true, false])
    expect(await client.getFeatureFlag('new_ui')).toBe(false)
    await client.setFeatureFlag('new_ui', true)
    expect(await client.getFeatureFlag('new_ui')).toBe(true)
    expect(await client.getFeatureFlag('theme', 'dark')).toBe('dark')
    await expect(client.getSession('x')).rejects.toThrow(/^cache: sessions need/)
    expect(() => client.sessionStore()).toThrow(/^cache: sessions need/)
    const places = client.rateLimiter({ algorithm: 'concurrency', limit: 1 })
    expect((await places.acquire('j')).allowed).toBe(true)
    expect((await places.acquire('j')).allowed).toBe(false)
    // The same limiter, which has not forgotten who is in.
    const again = client.rateLimiter({ lease: 30, limit: 1, algorithm: 'concurrency' })
    expect(again).toBe(places)
    expect((await again.acquire('j')).allowed).toBe(false)
    expect(client.rateLimiter({ algorithm: 'concurrency', limit: 2 })).not.toBe(places)
    const rule = { algorithm: 'gcra', limit: 1, window: '1m' } as const
    expect(client.rateLimiter({ limit: 1, window: 60, algorithm: 'gcra' })).toBe(
      client.rateLimiter(rule),
    )
    expect(client.rateLimiter({ ...rule })).toBe(client.rateLimiter({ ...rule }))
    expect(client.rateLimiter({ ...rule, limit: 2 })).not.toBe(client.rateLimiter(rule))
    expect((await client.healthCheck()).healthy).toBe(true)
  })

  it('refuses wrong options', () => {
    expect(() => createCacheClient({} as never)).toThrow(/^cache: /)
    expect(() => createCacheClient({ cache, other: 1 } as never)).toThrow(/^other: /)
    expect(() => createCacheClient({ cache, userOf: 5 } as never)).toThrow(/^userOf: /)
  })
})
