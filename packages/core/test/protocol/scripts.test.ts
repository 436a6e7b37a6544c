import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  decodeEntry,
  encodeEntry,
  entryIdentity,
  expireScript,
  incrementScript,
  leaseScript,
  leaseText,
  namespaceStampKey,
  refreshLeaseKey,
  refreshScript,
  stampScript,
  sweepScript,
  writeScript,
  type DecodedEntry,
  type IncrementRequest,
  type Outcome,
  type Script,
  type WriteOperation,
} from '../../src/protocol/index.ts'
import { runScript, serverNow } from './run-script.ts'

const KEY = 's::k'
const LEASE = { token: 'me', ttlMs: 60_000 }
let server: TestRedis
let redis: Redis
let deadline: number

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await redis.config('SET', 'maxmemory', '0')
  await redis.flushall()
  deadline = (await serverNow(redis)) + 60_000
})

const tail = (value: unknown, more: object = {}): string =>
  encodeEntry({ redisKey: KEY, value, ...more }) as string
const setting = (value: unknown, ttlMs = 60_000, key = KEY): WriteOperation => ({
  op: 'set',
  key,
  ttlMs,
  tail: encodeEntry({ redisKey: key, value }) as string,
})
async function write(...operations: WriteOperation[]): Promise<readonly Outcome[]> {
  return (await runScript(redis, writeScript, { deadline, operations })).outcomes
}
async function read(key = KEY): Promise<DecodedEntry> {
  return decodeEntry((await redis.get(key)) ?? '', key) as DecodedEntry
}
async function lease(token = 'me', dead?: string) {
  const request = { keys: [KEY], deadline, token, ttlMs: 60_000, dead: [dead] }
  return (await runScript(redis, leaseScript, request))[0]
}
const increment = (more: Partial<IncrementRequest> = {}) =>
  runScript(redis, incrementScript, {
    key: KEY,
    deadline,
    by: 1,
    ttlMs: Infinity,
    renew: 'create',
    stamp: 0,
    skewUs: 0,
    ...more,
  })

describe('write', () => {
  test('a set carries server time, in the text as in PX', async () => {
    const before = await serverNow(redis)
    const { at } = await runScript(redis, writeScript, {
      deadline,
      operations: [{ op: 'set', key: KEY, ttlMs: 5000, tail: tail('v', { staleMs: 1000 }) }],
    })
    const entry = await read()
    expect(entry.loadedAt).toBe(at)
    expect(Math.floor((at as number) / 1000)).toBeGreaterThanOrEqual(before)
    expect(entry.expires).toBe(Math.floor((at as number) / 1000) + 5000)
    expect(entry.freshUntil).toBe((entry.expires as number) - 1000)
    expect(
      Math.abs(((await redis.call('PEXPIRETIME', KEY)) as number) - (entry.expires as number)),
    ).toBeLessThan(50)
  })

  test('forever means no end, in the text as in Redis', async () => {
    await write(setting('v', Infinity))
    expect(await redis.pttl(KEY)).toBe(-1)
    expect((await read()).expires).toBeUndefined()
  })

  test('a hundred operations, each with its own ttl, in the order given', async () => {
    const operations = Array.from({ length: 99 }, (_, i) => setting(i, 1000 + i * 1000, `s::${i}`))
    expect(await write(...operations, { op: 'delete', key: 's::0' })).toEqual(
      Array(100).fill('done'),
    )
    expect(await redis.exists('s::0')).toBe(0)
    expect((await read('s::98')).value).toBe(98)
    expect(await redis.pttl('s::98')).toBeGreaterThan(98_000)
    expect(await redis.pttl('s::1')).toBeLessThanOrEqual(2000)
  })

  test('a delete counts entries, not leases', async () => {
    await lease()
    expect(await write({ op: 'delete', key: KEY })).toEqual(['lost'])
    expect(await redis.exists(KEY)).toBe(0)
    await redis.rpush(KEY, 'x')
    expect(await write({ op: 'delete', key: KEY })).toEqual(['done'])
  })

  test('another type: a set overwrites, nothing else touches it', async () => {
    await redis.rpush(KEY, 'x')
    const identity = leaseText('me', 1)
    expect(
      await write(
        { op: 'fill', key: KEY, identity, ttlMs: 1000, at: 1, tail: tail(1) },
        { op: 'remove', key: KEY, identity },
        { op: 'remove', key: KEY, identity: 'f'.repeat(40) },
        { op: 'extend', key: KEY, identity, ttlMs: 1000 },
      ),
    ).toEqual(Array(4).fill('wrong-type'))
    expect(await redis.lrange(KEY, 0, -1)).toEqual(['x'])
    expect(await write(setting('v'))).toEqual(['done'])
    expect((await read()).value).toBe('v')
  })

  test('garbage goes by compare-and-delete', async () => {
    await redis.set(KEY, 'garbage')
    const identity = entryIdentity('garbage')
    await redis.set(KEY, 'other garbage')
    expect(await write({ op: 'remove', key: KEY, identity })).toEqual(['lost'])
    await redis.set(KEY, 'garbage')
    expect(await write({ op: 'remove', key: KEY, identity })).toEqual(['done'])
  })

  test('a lease can be prolonged by its holder only', async () => {
    const held = (await lease()) as { at: number }
    const extend = (token: string): WriteOperation => ({
      op: 'extend',
      key: KEY,
      identity: leaseText(token, held.at),
      ttlMs: 90_000,
    })
    expect(await write(extend('you'), extend('me'))).toEqual(['lost', 'done'])
    expect(await redis.pttl(KEY)).toBeGreaterThan(80_000)
  })
})

describe('a script after its deadline', () => {
  test.each([
    [
      'write',
      () =>
        runScript(redis, writeScript, {
          deadline,
          operations: [setting(2), { op: 'delete', key: 's::2' }],
        }),
    ],
    ['lease', () => runScript(redis, leaseScript, { keys: ['s::new'], deadline, ...LEASE })],
    [
      'refresh',
      async () =>
        runScript(redis, refreshScript, {
          key: KEY,
          leaseKey: refreshLeaseKey(KEY),
          deadline,
          ...LEASE,
          identity: entryIdentity((await redis.get(KEY)) as string),
        }),
    ],
    [
      'stamp',
      () => runScript(redis, stampScript, { keys: ['corral:stamp:{s}'], deadline, ttlMs: 1000 }),
    ],
    [
      'sweep',
      () =>
        runScript(redis, sweepScript, {
          keys: [KEY],
          deadline,
          stamp: 9e15,
          skewUs: 0,
          prefix: 's::',
        }),
    ],
    ['increment', () => increment()],
    ['expire', () => runScript(redis, expireScript, { key: KEY, deadline, ttlMs: 1 })],
  ] as [string, () => Promise<unknown>][])('%s writes nothing and says so', async (_, call) => {
    await write(setting(1), setting(1, 60_000, 's::2'))
    const dump = async (): Promise<unknown[]> => {
      const keys = (await redis.keys('*')).toSorted()
      return Promise.all(
        keys.map(async (key) => [key, await redis.get(key), await redis.call('PEXPIRETIME', key)]),
      )
    }
    const before = await dump()
    const offset = Number(/master_repl_offset:(\d+)/.exec(await redis.info('replication'))?.[1])
    deadline = (await serverNow(redis)) - 1
    expect(JSON.stringify((await call()) ?? 'late')).toContain('late')
    expect(await dump()).toEqual(before)
    expect(Number(/master_repl_offset:(\d+)/.exec(await redis.info('replication'))?.[1])).toBe(
      offset,
    )
  })
})

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
    const keys = await redis.keys('*s*::*')
    const removed = await runScript(redis, sweepScript, {
      keys,
      deadline,
      stamp,
      skewUs: 0,
      prefix: 's::',
    })
    expect(removed).toBe(7)
    expect((await redis.keys('s*::*')).toSorted()).toEqual(kept.toSorted())
  })
})

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
    expect(await increment()).toEqual({ status: 'wrong-type' })
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

describe('an account with no more rights than the scripts need', () => {
  test('runs each of them, and is refused nothing', async () => {
    const commands =
      'eval evalsha time get getrange set setrange del unlink pttl pexpire persist incrby'.split(
        ' ',
      )
    const rights = [...commands, 'hello', 'info', 'ping'].map((name) => `+${name}`)
    const keysOf = ['~s::*', '~corral:*']
    await redis.call('ACL', 'SETUSER', 'least', 'reset', 'on', '>pw', ...keysOf, '-@all', ...rights)
    await redis.call('ACL', 'LOG', 'RESET')
    const least = new Redis(server.url, {
      username: 'least',
      password: 'pw',
      disableClientInfo: true,
    })
    const run = <Q, R>(script: Script<Q, R>, request: Q): Promise<R> =>
      runScript(least, script, request)
    try {
      await run(writeScript, { deadline, operations: [setting(1)] })
      const identity = entryIdentity((await redis.get(KEY)) as string)
      const refresh = { key: KEY, leaseKey: refreshLeaseKey(KEY), deadline, ...LEASE, identity }
      expect(await run(refreshScript, refresh)).toMatchObject({ status: 'held' })
      expect(await run(expireScript, { key: KEY, deadline, ttlMs: 9000 })).toBe('done')
      expect(await run(expireScript, { key: KEY, deadline, ttlMs: Infinity })).toBe('done')
      const counter = { key: KEY, deadline, by: 1, ttlMs: 9000, stamp: 0, skewUs: 0 } as const
      await run(incrementScript, { ...counter, renew: 'always' })
      expect(await run(incrementScript, { ...counter, renew: 'always' })).toEqual({
        status: 'done',
        value: 3,
      })
      expect(await run(expireScript, { key: KEY, deadline, ttlMs: Infinity })).toBe('done')
      const [held] = await run(leaseScript, { keys: ['s::new'], deadline, ...LEASE })
      const text = leaseText('me', held?.status === 'held' ? held.at : 0)
      const operations: WriteOperation[] = [
        { op: 'extend', key: 's::new', identity: text, ttlMs: 9000 },
        { op: 'fill', key: 's::new', identity: text, ttlMs: 9000, at: 1, tail: tail(1) },
        { op: 'remove', key: KEY, identity: 'f'.repeat(40) },
        { op: 'delete', key: KEY },
      ]
      const { outcomes } = await run(writeScript, { deadline, operations })
      expect(outcomes).toEqual(['done', 'done', 'lost', 'done'])
      const keys = ['corral:stamp:{s}']
      expect(await run(stampScript, { keys, deadline, ttlMs: 9000 })).toHaveLength(1)
      const sweep = { keys: ['s::new'], deadline, stamp: 9e15, skewUs: 0, prefix: 's::' }
      expect(await run(sweepScript, sweep)).toBe(1)
      expect(await redis.call('ACL', 'LOG')).toEqual([])
    } finally {
      least.disconnect()
    }
  })
})

describe('a full server', () => {
  const fill = async (on = true): Promise<void> => {
    await redis.config('SET', 'maxmemory', on ? '1' : '0')
  }

  test('stores nothing, says so, and goes on deleting and stamping', async () => {
    await write(setting(1), setting(1, 60_000, 's::2'))
    const identity = entryIdentity((await redis.get(KEY)) as string)
    await fill()
    expect(
      await write({ op: 'delete', key: 's::2' }, setting(3, 60_000, 's::3'), setting(2), {
        op: 'fill',
        key: KEY,
        identity,
        ttlMs: 1000,
        at: 1,
        tail: tail(1),
      }),
    ).toEqual(['done', 'full', 'full', 'full'])
    expect((await read()).value).toBe(1)
    expect(await redis.exists('s::2', 's::3')).toBe(0)
    expect(await lease('me', identity)).toEqual({ status: 'full' })
    const refresh = { key: KEY, leaseKey: refreshLeaseKey(KEY), deadline, ...LEASE, identity }
    expect(await runScript(redis, refreshScript, refresh)).toEqual({ status: 'full' })
    expect(await runScript(redis, expireScript, { key: KEY, deadline, ttlMs: 1000 })).toBe('full')
    expect(await increment()).toEqual({ status: 'full' })
    expect(await increment({ key: 's::none' })).toEqual({ status: 'full' })
    const keys = ['corral:stamp:{s}', 'corral:stamp:{s}:t']
    expect(await runScript(redis, stampScript, { keys, deadline, ttlMs: 1000 })).toHaveLength(2)
    const request = { keys: [KEY], deadline, stamp: 9e15, skewUs: 0, prefix: 's::' }
    expect(await runScript(redis, sweepScript, request)).toBe(1)
    await fill(false)
    expect(await write(setting(2))).toEqual(['done'])
  })

  test('a refused set or fill drops the lease in its way', async () => {
    for (const operation of ['set', 'fill'] as const) {
      await fill(false)
      const held = (await lease()) as { at: number }
      await fill()
      const identity = leaseText('me', held.at)
      const it: WriteOperation =
        operation === 'set'
          ? setting(1)
          : { op: 'fill', key: KEY, identity, ttlMs: 1000, at: held.at, tail: tail(1) }
      expect(await write(it)).toEqual(['full'])
      expect(await redis.exists(KEY)).toBe(0)
    }
  })

  test('is not written past its limit, by whatever order of deletes and sets', async () => {
    const value = 'x'.repeat(2000)
    const used = async (): Promise<number> =>
      Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
    // The limit lies 3 MB above what is used now; 400 calls offer 8 MB.
    const limit = (await used()) + 3_000_000
    await redis.config('SET', 'maxmemory', String(limit))
    let refused = 0
    for (let i = 0; i < 400; i++) {
      const outcomes = await write(
        { op: 'delete', key: 's::gone' },
        ...Array.from({ length: 10 }, (_, n) => setting(value, 60_000, `s::${i}:${n}`)),
      )
      if (outcomes[1] === 'full') refused++
    }
    expect(refused).toBeGreaterThan(100)
    // A script that starts below the limit may end above it by what it carries, no more.
    expect(await used()).toBeLessThan(limit + 50_000)
    expect(await write({ op: 'delete', key: 's::0:0' })).toEqual(['done'])
  })

  test('would be written past its limit by a script that deletes first', async () => {
    const lua = writeScript.lua.replace("ARGV[2] == '1' and failed", 'false and failed')
    const deletesFirst = { ...writeScript, lua }
    await write(setting(1))
    await fill()
    const operations: WriteOperation[] = [{ op: 'delete', key: KEY }, setting(2, 60_000, 's::2')]
    const reply = await runScript(redis, deletesFirst, { deadline, operations })
    expect(reply.outcomes).toEqual(['done', 'done']) // why the guard is there
  })
})
