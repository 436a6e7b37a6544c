import { fakeClock, recordTrace } from '@corral/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type Cache } from '../cache.ts'
import type { GetOrSetOptions } from '../policy.ts'

let clock = fakeClock()
let cache: Cache
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

beforeEach(() => {
  clock = fakeClock()
  cache = createCache({ namespace: 'n', clock })
})
afterEach(() => cache.close())

/** A loader whose values come when the test says. */
function source<T>(): {
  load: ReturnType<typeof vi.fn<() => Promise<T>>>
  bring: (value: T) => Promise<void>
  fail: (error: unknown) => Promise<void>
} {
  const waiting: { resolve: (value: T) => void; reject: (error: unknown) => void }[] = []
  return {
    load: vi.fn(() => new Promise<T>((resolve, reject) => waiting.push({ resolve, reject }))),
    async bring(value) {
      waiting.shift()?.resolve(value)
      await turn()
    },
    async fail(error) {
      waiting.shift()?.reject(error)
      await turn()
    },
  }
}

async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    return error
  }
}

const down = new Error('the source is down')
const fail = (): Promise<string> => Promise.reject(down)

describe('what a caller gets when the loader fails', () => {
  const table: [string, GetOrSetOptions<string>, number, unknown][] = [
    ['nothing was there', {}, -1, down],
    ['a fallback', { fallback: 'instead' }, -1, 'instead'],
    [
      'a fallback that is made of the error',
      { fallback: (e) => (e as Error).message },
      -1,
      down.message,
    ],
    ['null as fallback', { fallback: null as never }, -1, null],
    ['a stale value inside staleIfError', { staleIfError: '10s' }, 9, 'old'],
    ['the same, rather than the fallback', { staleIfError: '10s', fallback: 'instead' }, 9, 'old'],
    ['a stale value past staleIfError', { staleIfError: '10s' }, 11, down],
    ['a stale value outside its own window', { staleIfError: '2s' }, 9, down],
    ['a stale value, but for others', {}, 9, down],
  ]
  it.each(table)('%s', async (_name, options, secondsStale, expected) => {
    if (secondsStale >= 0) {
      await cache.set('k', 'old', { ttl: '1m', staleIfError: '10s' })
      await clock.advance(60_000 + secondsStale * 1_000)
    }
    expect(await outcome(cache.getOrSet('k', fail, options))).toBe(expected)
    // What stood in is not stored as if it were new.
    expect(await cache.get('k')).toBeUndefined()
  })

  it('a stale value is no longer asked for once it failed: others are not sent after it', async () => {
    await cache.set('k', 'old', { ttl: '1m', staleIfError: '1h' })
    await clock.advance(61_000)
    const load = vi.fn(fail)
    for (let i = 0; i < 5; i++) {
      expect(await cache.getOrSet('k', load, { staleIfError: '1h' })).toBe('old')
    }
    expect(load).toHaveBeenCalledTimes(1)
    await clock.advance(1_000)
    expect(await cache.getOrSet('k', () => 'new', { staleIfError: '1h' })).toBe('new')
    expect((await cache.stats()).staleServed).toBe(5)
  })

  it('is stored neither, and the next call loads', async () => {
    await outcome(cache.getOrSet('k', fail))
    expect(await cache.getOrSet('k', () => 'new')).toBe('new')
  })
})

describe('staleWhileRevalidate', () => {
  const options = { ttl: '1m', staleWhileRevalidate: '10s' } as const

  it('serves the old value at once, and the new one when it is there', async () => {
    const { load, bring } = source<string>()
    await cache.getOrSet('k', () => 'old', options)
    await clock.advance(60_000)
    const got = await Promise.all(
      Array.from({ length: 100 }, () => cache.getOrSet('k', load, options)),
    )
    expect(new Set(got)).toEqual(new Set(['old']))
    await turn()
    expect(load).toHaveBeenCalledTimes(1)
    expect(await cache.getOrSet('k', load, options)).toBe('old')
    await bring('new')
    expect(await cache.getOrSet('k', load, options)).toBe('new')
    expect(await cache.ttl('k')).toBe(60)
    expect(await cache.stats()).toMatchObject({ refreshes: 1, earlyRefreshes: 0 })
  })

  it('ends with its window', async () => {
    await cache.getOrSet('k', () => 'old', options)
    await clock.advance(69_999)
    expect(await cache.getOrSet('k', () => 'new', options)).toBe('old')
    await turn()
    await cache.delete('k')
    await cache.getOrSet('k', () => 'old', options)
    await clock.advance(70_000)
    expect(await cache.getOrSet('k', () => 'new', options)).toBe('new')
  })

  it('a stale value is none for get, has, ttl and getMany', async () => {
    await cache.set('k', 'old', options)
    await clock.advance(60_000)
    expect(await cache.get('k')).toBeUndefined()
    expect(await cache.has('k')).toBe(false)
    expect(await cache.ttl('k')).toBeUndefined()
    expect(await cache.getMany(['k'])).toEqual([undefined])
  })

  it('keeps the old value when the refresh fails, and tries again after a moment', async () => {
    await cache.getOrSet('k', () => 'old', options)
    await clock.advance(60_000)
    const load = vi.fn(fail)
    for (let i = 0; i < 5; i++) {
      expect(await cache.getOrSet('k', load, options)).toBe('old')
      await turn()
    }
    expect(load).toHaveBeenCalledTimes(1)
    await clock.advance(1_001)
    expect(await cache.getOrSet('k', () => 'new', options)).toBe('old')
    await turn()
    expect(await cache.getOrSet('k', load, options)).toBe('new')
  })

  it('does not store over a set or a delete that came meanwhile', async () => {
    for (const change of [() => cache.set('k', 'set'), () => cache.delete('k')]) {
      const { load, bring } = source<string>()
      await cache.getOrSet('k', () => 'old', options)
      await clock.advance(60_000)
      await cache.getOrSet('k', load, options)
      await turn()
      await change()
      const after = await cache.get('k')
      await bring('refreshed from before')
      expect(await cache.get('k')).toBe(after)
      await cache.delete('k')
    }
  })

  it('gives the loader the value that it is to replace', async () => {
    await cache.getOrSet('k', () => 'old', options)
    await clock.advance(60_000)
    const seen = vi.fn(({ stale }: { stale: unknown }) => `${String(stale)} and new`)
    await cache.getOrSet('k', seen, options)
    await turn()
    expect(await cache.get('k')).toBe('old and new')
  })

  it('expire gives a stale value a new life of exactly that length', async () => {
    await cache.set('k', 1, { ttl: '1m', staleWhileRevalidate: '1h' })
    expect(await cache.expire('k', '5s')).toBe(true)
    expect(await cache.ttl('k')).toBe(5)
    await clock.advance(5_000)
    expect(await cache.get('k')).toBeUndefined()
    expect(await cache.getOrSet('k', () => 2, { staleWhileRevalidate: '1h' })).toBe(1)
    expect(await cache.expire('absent', '5s')).toBe(false)
  })
})

describe('time-outs', () => {
  it('softTimeout serves a stale value when the load is slow; it goes on and is stored', async () => {
    const options = { ttl: '1m', staleIfError: '1h', softTimeout: '100ms' } as const
    const { load, bring } = source<string>()
    await cache.getOrSet('k', () => 'old', options)
    await clock.advance(61_000)
    let got: unknown
    void cache.getOrSet('k', load, options).then((value) => (got = value))
    await turn()
    await clock.advance(99)
    expect(got).toBeUndefined()
    await clock.advance(1)
    expect(got).toBe('old')
    await bring('new')
    expect(await cache.get('k')).toBe('new')
  })

  it('softTimeout without a stale value waits on', async () => {
    const { load, bring } = source<string>()
    const call = cache.getOrSet('k', load, { softTimeout: '100ms' })
    await turn()
    await clock.advance(10_000)
    await bring('new')
    expect(await call).toBe('new')
  })

  it.each([
    ['LOAD_TIMEOUT', {}, { code: 'LOAD_TIMEOUT' }],
    ['the fallback', { fallback: 'instead' }, 'instead'],
  ])('hardTimeout gives %s, while the load goes on for others', async (_name, more, expected) => {
    const { load, bring } = source<string>()
    const call = outcome(cache.getOrSet('k', load, { hardTimeout: '1s', ...more }))
    await turn()
    await clock.advance(999)
    const patient = cache.getOrSet('k', load)
    await clock.advance(1)
    const got = await call
    if (typeof expected === 'string') expect(got).toBe(expected)
    else expect(got).toMatchObject(expected)
    await bring('new')
    expect(await patient).toBe('new')
    expect(await cache.get('k')).toBe('new')
    expect(load).toHaveBeenCalledTimes(1)
  })

  it('hardTimeout counts from the load of that caller, not from that of the first', async () => {
    const { load, bring } = source<string>()
    const first = outcome(cache.getOrSet('k', load, { hardTimeout: '1s' }))
    await turn()
    await clock.advance(900)
    const second = cache.getOrSet('k', load, { hardTimeout: '1s' })
    await clock.advance(900)
    expect(await first).toMatchObject({ code: 'LOAD_TIMEOUT' })
    await bring('new')
    expect(await second).toBe('new')
    expect(clock.pendingTimers()).toBe(0)
  })
})

describe('what is stored', () => {
  it.each([
    ['a value that filter refuses', () => cache.getOrSet('k', () => 'x', { filter: () => false })],
    ['a value whose loader skips', () => cache.getOrSet('k', ({ skip }) => (skip(), 'x'))],
  ])('not %s', async (_name, call) => {
    expect(await call()).toBe('x')
    expect(await cache.has('k')).toBe(false)
  })

  it('null, false, 0 and the empty string', async () => {
    for (const value of [null, false, 0, '']) {
      const load = vi.fn(() => value)
      const key = `k:${JSON.stringify(value)}`
      expect(await cache.getOrSet(key, load)).toBe(value)
      expect(await cache.getOrSet(key, load)).toBe(value)
      expect(load).toHaveBeenCalledTimes(1)
    }
  })

  it('with a life between the jitter and the ttl', async () => {
    const lives = new Set<number>()
    for (let i = 0; i < 200; i++) {
      await cache.getOrSet(`k${i}`, () => i, { ttl: '100s', jitter: 0.2 })
      lives.add((await cache.ttl(`k${i}`)) ?? 0)
    }
    expect(Math.min(...lives)).toBeGreaterThanOrEqual(80)
    expect(Math.max(...lives)).toBeLessThanOrEqual(100)
    expect(lives.size).toBeGreaterThan(100)
  })

  it('with tags of the call or of the loader', async () => {
    await cache.getOrSet('a', () => 1, { tags: ['x'] })
    await cache.getOrSet('b', ({ setTags }) => (setTags(['x']), 2), { tags: ['y'] })
    await cache.getOrSet('c', () => 3)
    expect(await cache.invalidateTags(['y'])).toBe(true)
    expect(await cache.getMany(['a', 'b', 'c'])).toEqual([1, 2, 3])
    expect(await cache.invalidateTags(['x'])).toBe(true)
    expect(await cache.getMany(['a', 'b', 'c'])).toEqual([undefined, undefined, 3])
    await cache.set('a', 4, { tags: ['x'] })
    expect(await cache.get('a')).toBe(4)
  })

  it('anew by forceFresh, whatever is there', async () => {
    const load = vi.fn((): number => load.mock.calls.length)
    expect(await cache.getOrSet('k', load)).toBe(1)
    expect(await cache.getOrSet('k', load)).toBe(1)
    expect(await cache.getOrSet('k', load, { forceFresh: true })).toBe(2)
    expect(await cache.getOrSet('k', load)).toBe(2)
  })

  it('forceFresh shares no load that began before it', async () => {
    const { load, bring } = source<string>()
    const early = cache.getOrSet('k', load)
    await turn()
    const forced = cache.getOrSet('k', () => 'newer', { forceFresh: true })
    expect(await forced).toBe('newer')
    await bring('older')
    expect(await early).toBe('older')
    expect(await cache.get('k')).toBe('newer')
  })
})

describe('a schema', () => {
  const numbers = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'number'
          ? { value: value * 10 }
          : { issues: [{ message: 'must be a number', path: ['a'] }] },
    },
  }

  it('is checked on what is loaded', async () => {
    const error = await outcome(cache.getOrSet('k', () => 'text', { schema: numbers }))
    expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH' })
    expect(String(error)).toContain('a: must be a number')
    expect(await cache.has('k')).toBe(false)
  })

  it('gives the first caller what it gives the next, and stores what was loaded', async () => {
    expect(await cache.getOrSet('k', () => 4, { schema: numbers })).toBe(40)
    expect(await cache.getOrSet('k', () => 5, { schema: numbers })).toBe(40)
    expect(await cache.get('k')).toBe(4)
  })

  it('leaves a fallback as it is', async () => {
    const options = { schema: numbers, fallback: 'none' }
    expect(await cache.getOrSet('k', () => 'text', options)).toBe('none')
  })

  it('turns what another version has stored into a miss', async () => {
    await cache.set('k', 'text of the last release')
    using trace = recordTrace(['miss'], 'corral:core:')
    expect(await cache.getOrSet('k', () => 5, { schema: numbers })).toBe(50)
    expect(trace.of('miss')).toMatchObject([{ reason: 'schema' }])
    expect(await cache.get('k')).toBe(5)
  })
})

describe('maxLoads', () => {
  it('runs so many loaders at once, the others in the order of asking', async () => {
    const bounded = createCache({ namespace: 'n', clock, maxLoads: 3 })
    let running = 0
    let most = 0
    const order: number[] = []
    const call = (i: number): Promise<unknown> =>
      bounded.getOrSet(`k${i}`, async () => {
        most = Math.max(most, ++running)
        order.push(i)
        await turn()
        running--
        return i
      })
    const calls = Array.from({ length: 50 }, (_, i) => call(i))
    expect(await Promise.all(calls)).toEqual([...Array(50).keys()])
    expect(most).toBe(3)
    expect(order).toEqual([...Array(50).keys()])
    await bounded.close()
  })
})

describe('getOrSetMany', () => {
  it('loads what is missing together, once', async () => {
    await cache.set('b', 'cached')
    const load = vi.fn((keys: readonly string[]) => keys.map((key) => `${key}!`))
    expect(await cache.getOrSetMany(['a', 'b', 'c', 'a'], load, '5m')).toEqual([
      'a!',
      'cached',
      'c!',
      'a!',
    ])
    expect(load.mock.calls.map(([keys]) => keys)).toEqual([['a', 'c']])
    expect(await cache.getOrSetMany(['a', 'b', 'c'], load)).toEqual(['a!', 'cached', 'c!'])
    expect(load).toHaveBeenCalledTimes(1)
    expect(await cache.ttl('a')).toBe(300)
  })

  it.each([
    ['a Map', () => new Map([['a', 1]])],
    ['an object', () => ({ a: 1 })],
    ['an array', () => [1, undefined]],
  ])('takes %s; what is missing in it is undefined and not stored', async (_name, load) => {
    expect(await cache.getOrSetMany<number>(['a', 'b'], load)).toEqual([1, undefined])
    expect(await cache.has('b')).toBe(false)
  })

  it('rejects with the error of the loader, or of a wrong answer', async () => {
    await expect(cache.getOrSetMany(['a'], () => Promise.reject(down))).rejects.toBe(down)
    await expect(cache.getOrSetMany(['a', 'b'], () => [1])).rejects.toThrow(/as many values/)
    expect(await cache.getOrSetMany(['a'], () => [1])).toEqual([1])
  })
})

describe('children', () => {
  it('have their own namespace, and options before those of their parent', async () => {
    const parent = createCache({ namespace: 'shop', ttl: '1h', clock })
    const child = parent.child('profiles', { ttl: '5m' })
    expect(child.namespace).toBe('shop:profiles')
    await parent.set('k', 'parent')
    await child.set('k', 'child')
    expect([await parent.ttl('k'), await child.ttl('k')]).toEqual([3_600, 300])
    expect(await child.child('deep').ttl('k')).toBeUndefined()
    await child.clear()
    expect([await parent.get('k'), await child.get('k')]).toEqual(['parent', undefined])
    await child.set('k', 'child')
    await parent.clear()
    expect([await parent.get('k'), await child.get('k')]).toEqual([undefined, 'child'])
    await parent.set('k', 'parent')
    await parent.clear({ deep: true })
    expect([await parent.get('k'), await child.get('k')]).toEqual([undefined, undefined])
    await parent.close()
    await expect(child.set('k', 1)).resolves.toBe(false)
  })
})
