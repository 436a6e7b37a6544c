import { describe, expect, test } from 'vitest'
import {
  encodeEntry,
  entryIdentity,
  leaseText,
  namespaceStampKey,
} from '../../src/protocol/index.ts'
import { runScript, serverNow } from './run-script.ts'
import { KEY, keysLike, redis, deadline, setting, write, lease, LEASE } from './script-fixture.ts'
import { leaseScript, stampScript, sweepScript } from './protocol.ts'

describe('lease', () => {
  test('of a missing key is held by one, and by the same one when asked again', async () => {
    const first = await lease()
    expect(first).toMatchObject({ status: 'held' })
    expect(await lease()).toEqual(first)
    expect(await lease('you')).toMatchObject({
      status: 'busy',
      remainingMs: expect.closeTo(60_000, -3),
    })
  })

  test('hands out the entry that stands there, counters and foreign ones too', async () => {
    for (const text of ['42', '{"value":1}', '{"c":9,"at":1,']) {
      await redis.set(KEY, text)
      expect(await lease()).toEqual({ status: 'entry', text })
    }
  })

  test('replaces the dead entry that was read, and no other', async () => {
    await write(setting(1))
    const dead = entryIdentity((await redis.get(KEY)) as string)
    await write(setting(2))
    expect(await lease('me', dead)).toMatchObject({ status: 'entry' })
    expect(await lease('me', entryIdentity((await redis.get(KEY)) as string))).toMatchObject({
      status: 'held',
    })
    await redis.set(KEY, 'garbage')
    expect(await lease('me', entryIdentity('other'))).toMatchObject({ status: 'entry' })
    expect(await lease('me', entryIdentity('garbage'))).toMatchObject({ status: 'held' })
  })

  test('without an end is taken over', async () => {
    await redis.set(KEY, leaseText('ghost', 1))
    expect(await lease()).toMatchObject({ status: 'held' })
  })

  test('many keys, each its own answer', async () => {
    await redis.rpush('s::list', 'x')
    await redis.set('s::entry', '{"value":1}')
    const keys = ['s::list', 's::entry', 's::none']
    const replies = await runScript(redis, leaseScript, { keys, deadline, ...LEASE })
    expect(replies.map(({ status }) => status)).toEqual(['wrong-type', 'entry', 'held'])
  })
})

describe('stamp', () => {
  test('moves forward even when the clock has gone back', async () => {
    const ahead = ((await serverNow(redis)) + 3_600_000) * 1000
    await redis.set('corral:stamp:{s}', String(ahead))
    const request = { keys: ['corral:stamp:{s}', 'corral:stamp:{s}:t'], deadline, ttlMs: 1000 }
    const [first, second] = (await runScript(redis, stampScript, request)) ?? []
    expect(first).toBe(ahead + 1)
    expect(second).toBeLessThan(ahead)
    expect(await redis.get('corral:stamp:{s}')).toBe(String(ahead + 1))
  })

  test('never loses life', async () => {
    const keys = ['corral:stamp:{s}']
    const ends: number[] = []
    for (const ttlMs of [50_000, 1000, 90_000, Infinity, 1000]) {
      await runScript(redis, stampScript, { keys, deadline, ttlMs })
      ends.push(Math.max(0, Math.round((await redis.pttl('corral:stamp:{s}')) / 10_000)))
    }
    expect(ends).toEqual([5, 5, 9, 0, 0])
    expect(await redis.pttl('corral:stamp:{s}')).toBe(-1)
  })
})

describe('sweep', () => {
  test('removes what the stamp killed and what carries no time, and leaves the rest', async () => {
    await write(setting(1, 60_000, 's::old'), setting(1, Infinity, 's::old-forever'))
    await runScript(redis, leaseScript, { keys: ['s::old-lease'], deadline, ...LEASE })
    await redis.set('s::counter', 7)
    await redis.set('s::foreign', '{"value":1}')
    await redis.hset('s::hash', 'a', 1)
    await redis.set('s::old-newer-format', '{"c":7,"at":1000,\u0001')
    await redis.set('sx::other-namespace', '{"value":1}')
    const stamps = await runScript(redis, stampScript, {
      keys: [namespaceStampKey('s')],
      deadline,
      ttlMs: Infinity,
    })
    const stamp = stamps?.[0] as number
    const kept = ['s::new', 's::new-lease', 's::seen', 's::seen-forever', 'sx::other-namespace']
    await write(setting(2, 60_000, 's::new'))
    await runScript(redis, leaseScript, { keys: ['s::new-lease'], deadline, ...LEASE })
    for (const [key, ttlMs] of [
      ['s::seen', 9000],
      ['s::seen-forever', Infinity],
    ] as const) {
      const seen = encodeEntry({ redisKey: key, value: 1, seen: [stamp, 0] }) as string
      await redis.set('s::x', leaseText('me', 5))
      await redis.rename('s::x', key)
      await write({ op: 'fill', key, identity: leaseText('me', 5), ttlMs, at: 5, tail: seen })
    }
    const keys = await keysLike('*s*::*')
    const removed = await runScript(redis, sweepScript, {
      keys,
      deadline,
      stamp,
      skewUs: 0,
      prefix: 's::',
    })
    expect(removed).toBe(7)
    expect((await keysLike('s*::*')).toSorted()).toEqual(kept.toSorted())
  })
})
