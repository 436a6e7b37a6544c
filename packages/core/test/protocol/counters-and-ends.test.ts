import { describe, expect, test } from 'vitest'
import { entryIdentity, leaseText } from '../../src/protocol/index.ts'
import { runScript, serverNow } from './run-script.ts'
import {
  KEY,
  redis,
  deadline,
  tail,
  setting,
  write,
  read,
  lease,
  increment,
} from './script-fixture.ts'
import { expireScript } from './protocol.ts'

describe('expire', () => {
  const expire = (ttlMs: number) => runScript(redis, expireScript, { key: KEY, deadline, ttlMs })

  test.each([
    ['an entry', () => write(setting({ a: 1, expires: 5 })).then(() => undefined)],
    [
      'an entry without end',
      () => write(setting({ a: 1, expires: 5 }, Infinity)).then(() => undefined),
    ],
    ['a foreign entry', () => redis.set(KEY, '{"value":{"a":1,"expires":5},"expires":99}')],
    ['a foreign entry without end', () => redis.set(KEY, '{"value":{"a":1,"expires":5}}')],
  ])('rewrites text and PX of %s', async (_, place) => {
    await place()
    const { loadedAt } = await read()
    const now = await serverNow(redis)
    expect(await expire(30_000)).toBe('done')
    const entry = await read()
    expect(entry).toMatchObject({ kind: 'entry', value: { a: 1, expires: 5 }, loadedAt })
    expect(entry.expires).toBeGreaterThanOrEqual(now + 30_000)
    expect(entry.expires).toBeLessThan(now + 32_000)
    expect(await redis.pttl(KEY)).toBeGreaterThan(28_000)
    expect(await expire(Infinity)).toBe('done')
    expect((await read()).expires).toBeUndefined()
    expect(await redis.pttl(KEY)).toBe(-1)
  })

  test('an entry is fresh for the ttl, and stale for as long as it was to be on top', async () => {
    for (const more of [{ staleMs: 5_000 }, { staleMs: 5_000, seen: [7, 8], tags: ['t'] }]) {
      await write({ op: 'set', key: KEY, ttlMs: 60_000, tail: tail({ stale: 99 }, more) })
      const now = await serverNow(redis)
      expect(await expire(30_000)).toBe('done')
      const { expires, freshUntil, value } = await read()
      expect(value).toEqual({ stale: 99 })
      expect((expires as number) - (freshUntil as number)).toBe(5_000)
      expect(freshUntil).toBeGreaterThanOrEqual(now + 30_000)
      expect(freshUntil).toBeLessThan(now + 32_000)
      expect(await redis.pttl(KEY)).toBeGreaterThan(33_000)
    }
  })

  test('counters and structures get PX alone; nothing, a lease and a later format stay', async () => {
    expect(await expire(1000)).toBe('lost')
    for (const text of [leaseText('x', 1), '{"c":2,"at":1,"value":1}', 'garbage']) {
      await redis.set(KEY, text)
      expect(await expire(1000)).toBe('lost')
      expect([await redis.get(KEY), await redis.pttl(KEY)]).toEqual([text, -1])
    }
    await redis.set(KEY, 5)
    expect(await expire(9000)).toBe('done')
    expect(await redis.pttl(KEY)).toBeGreaterThan(8000)
    await redis.del(KEY)
    await redis.hset(KEY, 'a', 1)
    expect(await expire(9000)).toBe('done')
    expect(await redis.pttl(KEY)).toBeGreaterThan(8000)
  })
})

describe('increment', () => {
  test('counts, and gives a ttl in the same step to what has none', async () => {
    expect(await increment({ ttlMs: 50_000 })).toEqual({ status: 'done', value: 1 })
    expect(await increment({ by: 4, ttlMs: 90_000 })).toEqual({ status: 'done', value: 5 })
    expect(await redis.pttl(KEY)).toBeLessThanOrEqual(50_000)
    expect(await increment({ by: -7, ttlMs: 90_000, renew: 'always' })).toEqual({
      status: 'done',
      value: -2,
    })
    expect(await redis.pttl(KEY)).toBeGreaterThan(80_000)
    expect(await redis.get(KEY)).toBe('-2')
    await redis.persist(KEY)
    await increment({ ttlMs: 50_000 })
    expect(await redis.pttl(KEY)).toBeGreaterThan(0)
  })

  test('turns a set integer into a counter that keeps its end', async () => {
    await write(setting(41, 50_000))
    expect(await increment()).toEqual({ status: 'done', value: 42 })
    expect(await redis.get(KEY)).toBe('42')
    expect(await redis.pttl(KEY)).toBeGreaterThan(40_000)
    await redis.set(KEY, '{"value":9007199254740990}')
    expect(await increment()).toEqual({ status: 'done', value: 9007199254740991 })
    await redis.set(KEY, '{"value":9007199254740991}')
    await expect(increment()).rejects.toThrow('OVERFLOW')
  })

  test.each([
    'garbage',
    '{"value":"1"}',
    '{"value":1.5}',
    '{"value":{}}',
    '{"value":true}',
    '{"c":2,"at":1,"value":1}',
    '{"value":',
  ])('refuses %s', async (text) => {
    await redis.set(KEY, text)
    expect(await increment()).toEqual({ status: 'wrong-type' })
    expect(await redis.get(KEY)).toBe(text)
  })

  test('refuses a list, and starts anew over a lease, a cleared and an expired entry', async () => {
    await redis.rpush(KEY, 'x')
    expect(await increment()).toEqual({ status: 'wrong-type' })
    await redis.del(KEY)
    await lease()
    expect(await increment()).toEqual({ status: 'done', value: 1 })
    await write(setting(41))
    const { loadedAt } = await read()
    expect(await increment({ stamp: loadedAt as number })).toEqual({ status: 'done', value: 1 })
    await write(setting(41))
    expect(await increment({ stamp: loadedAt as number })).toEqual({ status: 'done', value: 42 })
    await redis.set(KEY, '{"value":41,"expires":5}')
    expect(await increment()).toEqual({ status: 'done', value: 1 })
  })

  test('asks about a tagged entry before it trusts it', async () => {
    const text = (): Promise<string | null> => redis.get(KEY)
    await write({ op: 'set', key: KEY, ttlMs: 60_000, tail: tail(41, { tags: ['t'] }) })
    const before = (await text()) as string
    expect(await increment()).toEqual({ status: 'tagged', text: before })
    expect(await text()).toBe(before)
    expect(await increment({ alive: entryIdentity(before) })).toEqual({ status: 'done', value: 42 })
  })
})
