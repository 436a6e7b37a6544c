import { describe, expect, it, vi } from 'vitest'
import { asCacheManager } from '../cache-manager/index.ts'
import { createTestCache } from './index.ts'

describe('the clock of a test cache', () => {
  it('ends entries when the test says so, and not before', async () => {
    const { cache, clock } = createTestCache({ ttl: '1m' })
    await cache.set('a', 1)
    await cache.set('b', 1, '5m')
    expect(await cache.ttl('a')).toBe(60)
    await clock.advance(59)
    expect(await cache.get('a')).toBe(1)
    expect(await cache.ttl('a')).toBe(1)
    await clock.advance('1s')
    expect(await cache.get('a')).toBeUndefined()
    expect(await cache.get('b')).toBe(1)
    await cache.close()
  })

  it('starts at a known day and runs what falls due, in its order', async () => {
    const { cache, clock } = createTestCache()
    expect(new Date(clock.wallNow()).toISOString()).toBe('2025-01-01T00:00:00.000Z')
    const told: string[] = []
    clock.setTimer(() => told.push(`late ${clock.now()}`), 20)
    const dropped = clock.setTimer(() => told.push('dropped'), 15)
    clock.setTimer(() => {
      told.push(`early ${clock.now()}`)
      clock.setTimer(() => told.push(`inner ${clock.now()}`), 5)
    }, 10)
    clock.clearTimer(dropped)
    await clock.advance('12ms')
    expect(told).toEqual(['early 10'])
    await clock.advance('100ms')
    expect(told).toEqual(['early 10', 'inner 15', 'late 20'])
    await cache.close()
  })

  it('lets a test see a stale value and its refresh', async () => {
    const { cache, clock } = createTestCache()
    let version = 0
    const load = vi.fn(() => ++version)
    const options = { ttl: '1m', staleWhileRevalidate: '5m' } as const
    expect(await cache.getOrSet('a', load, options)).toBe(1)
    await clock.advance('2m')
    expect(await cache.getOrSet('a', load, options)).toBe(1)
    await vi.waitFor(async () => expect(await cache.getOrSet('a', load, options)).toBe(2))
    expect(load).toHaveBeenCalledTimes(2)
    await cache.close()
  })

  it('reaches a time-out without waiting for it', async () => {
    const { cache, clock } = createTestCache()
    const never = new Promise<number>(() => undefined)
    const call = cache.getOrSet('a', () => never, { hardTimeout: '30s', fallback: 7 })
    await clock.advance('31s')
    expect(await call).toBe(7)
  })
})

describe('the switches of a test cache', () => {
  it('down: reads miss, writes tell false, loads are handed out', async () => {
    const { cache, clock, redis } = createTestCache({ outageBuffer: false })
    await cache.set('a', 1)
    redis.down()
    expect(await cache.get('a')).toBeUndefined()
    expect(await cache.getMany(['a'])).toEqual([undefined])
    expect(await cache.set('b', 2)).toBe(false)
    const load = vi.fn(() => 3)
    expect(await cache.getOrSet('a', load)).toBe(3)
    expect(await cache.getOrSet('a', load)).toBe(3)
    expect(load).toHaveBeenCalledTimes(2)
    expect(await cache.health()).toMatchObject({ status: 'down', healthy: false })
    expect((await cache.stats()).available).toBe(false)
    redis.up()
    await clock.advance('1s')
    expect(await cache.get('b')).toBeUndefined()
    expect(await cache.set('b', 2)).toBe(true)
    expect((await cache.health()).healthy).toBe(true)
    await cache.close()
  })

  it('down: what was deleted meanwhile does not come back', async () => {
    const { cache, redis } = createTestCache()
    const profiles = cache.child('profiles')
    for (const key of ['kept', 'one', 'many:1', 'many:2']) await cache.set(key, 1)
    await cache.set('tagged', 1, { tags: ['t'] })
    await profiles.set('p', 1)
    redis.down()
    expect(await cache.delete('one')).toBe(false)
    expect(await cache.deletePattern('many:*')).toBe(0)
    expect(await cache.invalidateTags(['t'])).toBe(false)
    expect(await profiles.clear()).toBe(false)
    redis.up()
    const keys = ['kept', 'one', 'many:1', 'many:2', 'tagged']
    await vi.waitFor(async () =>
      expect(await cache.getMany(keys)).toEqual([1, undefined, undefined, undefined, undefined]),
    )
    expect(await profiles.get('p')).toBeUndefined()
    await cache.close()
  })

  it('down and full: counters and structures reject, as no answer of theirs would be right', async () => {
    const { cache, redis } = createTestCache()
    const away = { code: 'REDIS_UNAVAILABLE' }
    await cache.increment('count')
    await cache.asHash('hash').hset('field', 1)
    redis.down()
    await expect(cache.increment('count')).rejects.toMatchObject(away)
    await expect(cache.asHash('hash').hset('field', 2)).rejects.toMatchObject(away)
    expect(await cache.asHash('hash').hget('field')).toBeUndefined()
    redis.full()
    await expect(cache.increment('other')).rejects.toMatchObject({ code: 'REDIS_FULL' })
    await expect(cache.asHash('new').hset('field', 2)).rejects.toMatchObject({ code: 'REDIS_FULL' })
    redis.up()
    expect(await cache.increment('count')).toBe(2)
    expect(await cache.asHash('hash').hget('field')).toBe(1)
    await cache.close()
  })

  it('hang: each call ends with its deadline', async () => {
    const { cache, clock, redis } = createTestCache({ onError: 'throw' })
    redis.hang()
    const settled = vi.fn()
    const call = cache.get('a').catch((error: unknown) => {
      settled()
      return error
    })
    await clock.advance('199ms')
    expect(settled).not.toHaveBeenCalled()
    await clock.advance('1ms')
    expect(await call).toMatchObject({ code: 'REDIS_UNAVAILABLE', reason: 'deadline' })
    redis.up()
    await cache.close()
  })

  it('full: reads and deletes work, nothing is stored', async () => {
    const { cache, redis } = createTestCache()
    await cache.set('a', 1)
    await cache.set('b', 1)
    redis.full()
    expect(await cache.get('a')).toBe(1)
    expect(await cache.set('c', 2)).toBe(false)
    expect(await cache.getOrSet('d', () => 4)).toBe(4)
    expect(await cache.get('d')).toBeUndefined()
    expect(await cache.delete('a')).toBe(true)
    redis.up()
    expect(await cache.getMany(['a', 'b', 'c', 'd'])).toEqual([undefined, 1, undefined, undefined])
    await cache.close()
  })

  it('throws what Redis would make it throw, under onError: throw', async () => {
    const { cache, redis } = createTestCache({ onError: 'throw' })
    redis.down()
    await expect(cache.get('a')).rejects.toMatchObject({
      code: 'REDIS_UNAVAILABLE',
      reason: 'not-ready',
    })
    redis.full()
    await expect(cache.set('a', 1)).rejects.toMatchObject({ code: 'REDIS_FULL' })
    redis.up()
    expect(await cache.set('a', 1)).toBe(true)
    await cache.close()
  })

  it('empty: everything is gone', async () => {
    const { cache, redis } = createTestCache({ namespace: 'shop' })
    await cache.set('a', 1)
    expect(redis.keys()).toEqual(['shop::a'])
    redis.empty()
    expect(await cache.get('a')).toBeUndefined()
    expect(redis.keys()).toEqual([])
    await cache.close()
  })
})

describe('a test cache', () => {
  it('runs one load for many callers', async () => {
    await using test = createTestCache()
    const load = vi.fn(async () => 'value')
    const calls = Array.from({ length: 100 }, () => test.cache.getOrSet('a', load))
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['value']))
    expect(load).toHaveBeenCalledTimes(1)
  })

  it('gives values as JSON gives them back, as Redis would', async () => {
    const { cache } = createTestCache()
    await cache.set('a', { at: new Date(0) })
    expect(await cache.get('a')).toEqual({ at: '1970-01-01T00:00:00.000Z' })
    await cache.close()
  })

  it('serves as a cache-manager', async () => {
    const { cache, redis } = createTestCache()
    const manager = asCacheManager(cache)
    expect(await manager.wrap('a', () => 1, 60_000)).toBe(1)
    redis.down()
    expect(await manager.get('a')).toBeUndefined()
    redis.up()
    expect(await manager.get('a')).toBe(1)
    await manager.disconnect()
  })

  it('refuses wrong options', () => {
    expect(() => createTestCache({ ttl: -1 })).toThrow('ttl')
    expect(() => createTestCache({ prefix: 'x' } as never)).toThrow('prefix')
  })
})
