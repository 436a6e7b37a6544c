import { CorralError, systemClock } from '@corral/connection'
import { fakeClock, recordTrace } from '@corral/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { assembleCache } from '../assemble.ts'
import type { Cache } from '../cache.ts'
import { resolveCacheOptions } from '../options.ts'
import { createLocalStamps } from '../stamps/local-stamp-book.ts'
import { createMemoryTier, type MemoryTier } from '../tiers/memory-tier.ts'

interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

function deferred<T>(): Deferred<T> {
  let settle!: Pick<Deferred<T>, 'resolve' | 'reject'>
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const away = (): Promise<never> =>
  Promise.reject(new CorralError('REDIS_UNAVAILABLE', 'away', { reason: 'deadline' }))

/** A memory tier whose every call a test can watch and replace. */
function watchedTier(): MemoryTier & {
  [Name in 'get' | 'fill' | 'set' | 'delete']: ReturnType<typeof vi.fn<MemoryTier[Name]>>
} {
  const tier = createMemoryTier(systemClock)
  return {
    ...tier,
    get: vi.fn(tier.get),
    fill: vi.fn(tier.fill),
    set: vi.fn(tier.set),
    delete: vi.fn(tier.delete),
  }
}

let tier: ReturnType<typeof watchedTier>
let cache: Cache
const cacheOn = (onError: 'degrade' | 'throw'): Cache =>
  assembleCache(resolveCacheOptions({ namespace: 'n', onError }), {
    tier,
    stamps: createLocalStamps(),
  })

beforeEach(() => {
  tier = watchedTier()
  cache = cacheOn('degrade')
})

afterEach(async () => {
  await cache.close()
})

describe('getOrSet', () => {
  it('loads on a miss, stores, and does not load on a hit', async () => {
    const load = vi.fn(() => ({ name: 'Ada' }))
    expect(await cache.getOrSet('a', load, '5m')).toEqual({ name: 'Ada' })
    expect(await cache.getOrSet('a', load)).toEqual({ name: 'Ada' })
    expect(load).toHaveBeenCalledTimes(1)
    expect(await cache.ttl('a')).toBeCloseTo(300, 0)
  })

  it.each([null, false, 0, ''])('caches %j', async (value) => {
    const load = vi.fn(() => value)
    expect([await cache.getOrSet('a', load), await cache.getOrSet('a', load)]).toEqual([
      value,
      value,
    ])
    expect(load).toHaveBeenCalledTimes(1)
  })

  it('hands out undefined and stores nothing', async () => {
    const load = vi.fn(() => undefined)
    expect([await cache.getOrSet('a', load), await cache.getOrSet('a', load)]).toEqual([
      undefined,
      undefined,
    ])
    expect(load).toHaveBeenCalledTimes(2)
    expect(tier.fill).not.toHaveBeenCalled()
  })

  it('gives the one who loads what the next one gets', async () => {
    const load = (): unknown => ({
      at: new Date(0),
      gone: undefined,
      map: new Map([[1, 2]]),
      bytes: Buffer.from('x'),
    })
    const first = await cache.getOrSet('a', load)
    expect(first).toStrictEqual({
      at: '1970-01-01T00:00:00.000Z',
      map: {},
      bytes: Buffer.from('x'),
    })
    expect(await cache.getOrSet('a', load)).toStrictEqual(first)
  })

  it('does not hand out the loaded object itself', async () => {
    const loaded = { list: [1] }
    const value = await cache.getOrSet('a', () => loaded)
    loaded.list.push(2)
    expect(value).toEqual({ list: [1] })
  })

  it('rejects a value that cannot be stored, and the next call loads again', async () => {
    await expect(cache.getOrSet('a', () => 1n)).rejects.toMatchObject({
      code: 'UNSERIALIZABLE_VALUE',
    })
    expect(await cache.getOrSet('a', () => 1)).toBe(1)
  })

  it('does not fill over what a later version wrote', async () => {
    tier.get.mockResolvedValue('{"c":2,"at":1,"new":true}')
    expect(await cache.getOrSet('a', () => 1)).toBe(1)
    expect(tier.fill).not.toHaveBeenCalled()
  })
})

describe('single flight', () => {
  it('asks Redis once and loads once for a thousand callers, from before Redis is asked', async () => {
    const redis = deferred<null>()
    tier.get.mockReturnValueOnce(redis.promise)
    const source = deferred<number>()
    const load = vi.fn(() => source.promise)
    const early = Array.from({ length: 500 }, () => cache.getOrSet('a', load))
    redis.resolve(null)
    await turn()
    const late = Array.from({ length: 500 }, () => cache.getOrSet('a', load))
    source.resolve(7)
    expect(new Set(await Promise.all([...early, ...late]))).toEqual(new Set([7]))
    expect([
      tier.get.mock.calls.length,
      load.mock.calls.length,
      tier.fill.mock.calls.length,
    ]).toEqual([1, 1, 1])
    expect((await cache.stats()).coalesced).toBe(999)
  })

  it('hands the value out when it is on its way to Redis', async () => {
    const filled = deferred<boolean>()
    tier.fill.mockReturnValueOnce(filled.promise)
    expect(await cache.getOrSet('a', () => 1)).toBe(1)
    expect(tier.fill).toHaveBeenCalledTimes(1)
    filled.resolve(true)
  })

  it('brings the error of a loader to all who share it, stores nothing, and loads anew', async () => {
    const broken = new Error('source is down')
    const load = vi.fn((): number => {
      throw broken
    })
    const outcomes = await Promise.allSettled([
      cache.getOrSet('a', load),
      cache.getOrSet('a', load),
    ])
    expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason)).toEqual([
      broken,
      broken,
    ])
    expect([load.mock.calls.length, tier.fill.mock.calls.length]).toEqual([1, 0])
    expect(await cache.getOrSet('a', () => 2)).toBe(2)
  })

  it('keeps keys, and caches, apart', async () => {
    const load = vi.fn(({ key }: { key: string }) => key)
    expect(await Promise.all([cache.getOrSet('a', load), cache.getOrSet('b', load)])).toEqual([
      'a',
      'b',
    ])
  })
})

describe('a set or delete while a load is under way', () => {
  it.each([
    ['set', () => cache.set('a', 'new'), 'new'],
    ['setMany', () => cache.setMany([{ key: 'a', value: 'new' }]), 'new'],
    ['delete', () => cache.delete('a'), undefined],
    ['deleteMany', () => cache.deleteMany(['a']), undefined],
  ])('%s wins: the older value is neither stored nor shared', async (_name, change, after) => {
    const source = deferred<string>()
    const loading = cache.getOrSet('a', () => source.promise)
    await turn()
    await change()
    const later = cache.getOrSet('a', () => 'loaded anew')
    expect(await later).toBe(after ?? 'loaded anew')
    source.resolve('old')
    expect(await loading).toBe('old')
    expect(await cache.get('a')).toBe(after ?? 'loaded anew')
  })
})

describe('a delete that Redis did not acknowledge, while a load is under way', () => {
  it('keeps the older value from being stored all the same', async () => {
    const source = deferred<string>()
    const loading = cache.getOrSet('a', () => source.promise)
    await turn()
    tier.delete.mockImplementationOnce(away)
    expect(await cache.delete('a')).toBe(false)
    source.resolve('old')
    expect(await loading).toBe('old')
    expect(tier.fill).not.toHaveBeenCalled()
  })

  it('keeps it out of what stands in while Redis is away', async () => {
    tier.get.mockImplementation(away)
    const source = deferred<string>()
    const loading = cache.getOrSet('a', () => source.promise)
    await turn()
    await cache.delete('a')
    source.resolve('old')
    expect(await loading).toBe('old')
    expect(await cache.getOrSet('a', () => 'new')).toBe('new')
  })
})

describe('a refresh that failed', () => {
  it('is not asked for again for a moment, by no command', async () => {
    const refresh = vi.spyOn(tier, 'refresh')
    const options = { ttl: 0.001, staleWhileRevalidate: '1m' } as const
    await cache.set('a', 'old', options)
    await vi.waitFor(async () => expect(await cache.has('a')).toBe(false))
    const fails = (): string => {
      throw new Error('the source is down')
    }
    for (let i = 0; i < 10; i++) {
      expect(await cache.getOrSet('a', fails, options)).toBe('old')
      await turn()
    }
    expect(refresh).toHaveBeenCalledTimes(1)
  })
})

describe('the patience of a caller', () => {
  it('begins with the load, not with the read', async () => {
    const clock = fakeClock()
    const slow = createMemoryTier(clock)
    const redis = deferred<null>()
    const get = vi.spyOn(slow, 'get').mockReturnValueOnce(redis.promise)
    const patient = assembleCache(resolveCacheOptions({ namespace: 'n' }), {
      tier: slow,
      stamps: createLocalStamps(),
    })
    const source = deferred<string>()
    const call = patient.getOrSet('a', () => source.promise, { hardTimeout: '1s' })
    expect(get).toHaveBeenCalledTimes(1)
    await clock.advance(5_000)
    redis.resolve(null)
    await turn()
    await clock.advance(999)
    source.resolve('in time')
    expect(await call).toBe('in time')
    await patient.close()
  })
})

describe('a load that nobody may join any more', () => {
  it('does not end, when it settles, the one that took its place', async () => {
    const [old, anew] = [deferred<string>(), deferred<string>()]
    const first = cache.getOrSet('a', () => old.promise)
    await turn()
    await cache.delete('a')
    const second = cache.getOrSet('a', () => anew.promise)
    await turn()
    old.resolve('old')
    await first
    const third = cache.getOrSet('a', () => 'a third load')
    anew.resolve('new')
    expect(await Promise.all([second, third])).toEqual(['new', 'new'])
  })

  it('is not joined after all its callers left, also if its loader goes on', async () => {
    const controller = new AbortController()
    const left = cache.getOrSet('a', () => new Promise<string>(() => {}), {
      signal: controller.signal,
    })
    await turn()
    controller.abort(new Error('client gone'))
    await expect(left).rejects.toThrow('client gone')
    expect(await cache.getOrSet('a', () => 'new')).toBe('new')
  })
})

describe('the context of a loader', () => {
  it('names the key and changes the ttl', async () => {
    await cache.getOrSet('a b', ({ key, setTtl }) => (setTtl('1m'), key), '5m')
    expect(await cache.get('a b')).toBe('a b')
    expect(await cache.ttl('a b')).toBeCloseTo(60, 0)
  })

  it('refuses a wrong ttl as set does', async () => {
    await expect(cache.getOrSet('a', ({ setTtl }) => setTtl(-1))).rejects.toThrow(/^ttl: /)
  })

  it('skips storing', async () => {
    expect(await cache.getOrSet('a', ({ skip }) => (skip(), 1))).toBe(1)
    expect(await cache.has('a')).toBe(false)
  })
})

describe('a caller that gives up', () => {
  it('is refused at once when its signal is aborted already', async () => {
    const reason = new Error('client gone')
    const load = vi.fn(() => 1)
    await expect(cache.getOrSet('a', load, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    expect(load).not.toHaveBeenCalled()
  })

  it('leaves the load to the others', async () => {
    const source = deferred<number>()
    let seen: AbortSignal | undefined
    const controller = new AbortController()
    const load = ({ signal }: { signal: AbortSignal }): Promise<number> => {
      seen = signal
      return source.promise
    }
    const leaving = cache.getOrSet('a', load, { signal: controller.signal })
    const staying = cache.getOrSet('a', load, { signal: new AbortController().signal })
    await turn()
    controller.abort(new Error('client gone'))
    await expect(leaving).rejects.toThrow('client gone')
    expect(seen?.aborted).toBe(false)
    source.resolve(1)
    expect(await staying).toBe(1)
    expect(await cache.get('a')).toBe(1)
  })

  it('aborts the load when it was the last, and the next caller loads anew', async () => {
    let seen: AbortSignal | undefined
    const controllers = [new AbortController(), new AbortController()]
    const callers = controllers.map(({ signal }) =>
      cache.getOrSet(
        'a',
        ({ signal: ours }) => {
          seen = ours
          return new Promise<number>((_resolve, reject) => {
            ours.addEventListener('abort', () => reject(ours.reason as Error))
          })
        },
        { signal },
      ),
    )
    await turn()
    const reason = new Error('client gone')
    for (const controller of controllers) controller.abort(reason)
    expect(await Promise.allSettled(callers)).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ])
    expect(seen?.reason).toBe(reason)
    expect(await cache.getOrSet('a', () => 2)).toBe(2)
  })

  it('tells a loader that asks for its signal too late', async () => {
    const slow = deferred<undefined>()
    const controller = new AbortController()
    const asked = deferred<AbortSignal>()
    const load = async (context: { signal: AbortSignal }): Promise<number> => {
      await slow.promise
      asked.resolve(context.signal)
      return 1
    }
    const caller = cache.getOrSet('a', load, { signal: controller.signal })
    await turn()
    controller.abort(new Error('client gone'))
    await expect(caller).rejects.toThrow('client gone')
    slow.resolve(undefined)
    expect((await asked.promise).aborted).toBe(true)
    await turn()
    expect(await cache.has('a')).toBe(false)
  })

  it('whose load has not begun spares it', async () => {
    const redis = deferred<null>()
    tier.get.mockReturnValueOnce(redis.promise)
    const controller = new AbortController()
    const load = vi.fn(() => 1)
    const caller = cache.getOrSet('a', load, { signal: controller.signal })
    controller.abort(new Error('client gone'))
    await expect(caller).rejects.toThrow('client gone')
    redis.resolve(null)
    await turn()
    expect(load).not.toHaveBeenCalled()
  })

  it('does not abort a load for which somebody waits without a signal', async () => {
    const source = deferred<number>()
    const controller = new AbortController()
    let seen: AbortSignal | undefined
    const staying = cache.getOrSet('a', ({ signal }) => ((seen = signal), source.promise))
    const leaving = cache.getOrSet('a', () => 0, { signal: controller.signal })
    await turn()
    controller.abort(new Error('client gone'))
    await expect(leaving).rejects.toThrow('client gone')
    expect(seen?.aborted).toBe(false)
    source.resolve(1)
    expect(await staying).toBe(1)
  })

  it('listens to a signal no longer than it waits', async () => {
    const controller = new AbortController()
    const added = vi.spyOn(controller.signal, 'addEventListener')
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    await cache.getOrSet('a', () => 1, { signal: controller.signal })
    expect(removed).toHaveBeenCalledTimes(1)
    expect(added).toHaveBeenCalledTimes(1)
  })
})

describe('while Redis is away', () => {
  it('gets the value of the loader, by a single flight, and does not wait for Redis a second time', async () => {
    tier.get.mockImplementation(away)
    const load = vi.fn(() => 1)
    expect(await Promise.all([cache.getOrSet('a', load), cache.getOrSet('a', load)])).toEqual([
      1, 1,
    ])
    expect(load).toHaveBeenCalledTimes(1)
    expect((await cache.stats()).errors).toBe(1)
    expect(tier.fill).not.toHaveBeenCalled()
  })

  it('close waits for a fill that nobody waited for', async () => {
    const filled = deferred<boolean>()
    tier.fill.mockReturnValueOnce(filled.promise)
    await cache.getOrSet('a', () => 1)
    let closed = false
    const closing = cache.close().then(() => (closed = true))
    await turn()
    expect(closed).toBe(false)
    filled.resolve(true)
    await closing
  })

  it('gets the value when only storing fails, also under throw', async () => {
    tier.fill.mockImplementation(away)
    using trace = recordTrace(['load', 'error'], 'corral:core:')
    expect(await cache.getOrSet('a', () => 1)).toBe(1)
    expect(await cacheOn('throw').getOrSet('b', () => 1)).toBe(1)
    await turn()
    expect(trace.of('load')).toMatchObject([{ outcome: 'not-stored' }, { outcome: 'not-stored' }])
    expect(trace.of('error')).toMatchObject([
      { operation: 'set', code: 'REDIS_UNAVAILABLE', reason: 'deadline' },
      { operation: 'set', code: 'REDIS_UNAVAILABLE', reason: 'deadline' },
    ])
  })

  it('rejects under throw when the read fails, without loading', async () => {
    tier.get.mockImplementation(away)
    const load = vi.fn(() => 1)
    await expect(cacheOn('throw').getOrSet('a', load)).rejects.toMatchObject({
      code: 'REDIS_UNAVAILABLE',
    })
    expect(load).not.toHaveBeenCalled()
  })

  it('does not hide what is no failure of Redis', async () => {
    tier.get.mockRejectedValue(new RangeError('a bug'))
    await expect(cache.get('a')).rejects.toThrow('a bug')
    await expect(cache.getOrSet('a', () => 1)).rejects.toThrow('a bug')
  })
})
