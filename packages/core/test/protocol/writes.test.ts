import { describe, expect, test } from 'vitest'
import { entryIdentity, leaseText, refreshLeaseKey } from '../../src/protocol/index.ts'
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
  setDeadline,
  LEASE,
  keysLike,
} from './script-fixture.ts'
import {
  expireScript,
  leaseScript,
  refreshScript,
  stampScript,
  sweepScript,
  type WriteOperation,
  writeScript,
} from './protocol.ts'

describe('write', () => {
  test('a set carries server time, in the text as in PX', async () => {
    const before = await serverNow(redis)
    const { outcomes } = await runScript(redis, writeScript, {
      deadline,
      operations: [{ op: 'set', key: KEY, ttlMs: 5000, tail: tail('v', { staleMs: 1000 }) }],
    })
    const entry = await read()
    expect(outcomes).toEqual(['done'])
    const at = Math.floor((entry.loadedAt as number) / 1000)
    expect(at).toBeGreaterThanOrEqual(before)
    expect(at).toBeLessThanOrEqual(await serverNow(redis))
    expect(entry.expires).toBe(at + 5000)
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

  test('in one script each has its own time, whatever stands before and behind it', async () => {
    const held = await lease()
    if (held?.status !== 'held') throw new Error('no lease')
    const identity = leaseText('me', held.at)
    await write(setting(0, 9_000, 's::gone'), setting(0, 9_000, 's::kept'))
    const head = entryIdentity((await redis.get('s::kept')) as string)
    const { at } = held
    expect(
      await write(
        setting(1, 2_000, 's::1'),
        { op: 'extend', key: KEY, identity, ttlMs: 30_000 },
        setting(2, 2_000, 's::2'),
        { op: 'delete', key: 's::gone' },
        { op: 'extend', key: 's::kept', identity: head, ttlMs: 40_000 },
        setting(3, Infinity, 's::3'),
        { op: 'fill', key: KEY, identity: 'no', ttlMs: 1_000, at, tail: tail('no') },
        { op: 'fill', key: KEY, identity, ttlMs: 2_000, at, tail: tail('filled') },
        { op: 'remove', key: 's::2', identity: 'no' },
        setting(4, 50_000, 's::3'),
        setting(5, 50_499.5, 's::5'),
      ),
    ).toEqual([
      'done',
      'done',
      'done',
      'done',
      'done',
      'done',
      'lost',
      'done',
      'lost',
      'done',
      'done',
    ])
    const left = async (key: string): Promise<number> =>
      Math.ceil(Math.max(0, await redis.pttl(key)) / 1_000)
    const keys = ['s::1', KEY, 's::2', 's::gone', 's::kept', 's::3', 's::5']
    expect(await Promise.all(keys.map(left))).toEqual([2, 2, 2, 0, 40, 50, 51])
    expect([(await read()).value, (await read()).loadedAt]).toEqual(['filled', at])
    expect((await read('s::3')).value).toBe(4)
    for (const key of ['s::1', 's::3', 's::5']) {
      const text = await read(key)
      const end = (text.expires as number) - Math.floor((text.loadedAt as number) / 1_000)
      expect(end).toBe({ 's::1': 2_000, 's::3': 50_000, 's::5': 50_500 }[key])
    }
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
      const keys = (await keysLike('*')).toSorted()
      return Promise.all(
        keys.map(async (key) => [key, await redis.get(key), await redis.call('PEXPIRETIME', key)]),
      )
    }
    const before = await dump()
    const offset = Number(/master_repl_offset:(\d+)/.exec(await redis.info('replication'))?.[1])
    setDeadline((await serverNow(redis)) - 1)
    expect(JSON.stringify((await call()) ?? 'late')).toContain('late')
    expect(await dump()).toEqual(before)
    expect(Number(/master_repl_offset:(\d+)/.exec(await redis.info('replication'))?.[1])).toBe(
      offset,
    )
  })
})
