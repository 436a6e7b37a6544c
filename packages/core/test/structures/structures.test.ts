import { createKeyspace, isCorralError, shareConnection, type Connection } from '@corral/connection'
import { fakeClock, monitor, startRedis, type FakeClock, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createFailures } from '../../src/engine/failures.ts'
import { createCounters } from '../../src/stats.ts'
import { createMemoryStructures } from '../../src/structures/memory-structures.ts'
import { createRemoteStructures } from '../../src/structures/remote-structures.ts'
import type { StructureStore } from '../../src/structures/structure-store.ts'
import { createStructures, type Structures } from '../../src/structures/structures.ts'
import { createMemoryTier, type MemoryTier } from '../../src/tiers/memory-tier.ts'

const keyspace = createKeyspace({ namespace: 'shop:v1' })
let changed: string[] = []

function structuresOver(store: StructureStore, ttlMs = 3_600_000, degrade = true): Structures {
  return createStructures({
    keyspace,
    store,
    ttlMs,
    failures: createFailures(
      { kind: 'cache', name: keyspace.namespace },
      createCounters(),
      degrade,
    ),
    changing: (redisKey) => changed.push(redisKey),
  })
}

let server: TestRedis
let client: Redis
let connection: Connection
let clock: FakeClock
let tier: MemoryTier

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url, { maxRetriesPerRequest: null })
  connection = shareConnection(client, { deadline: '5s' })
})
afterAll(async () => {
  await connection.close()
  client.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
  clock = fakeClock()
  tier = createMemoryTier(clock)
  changed = []
})

const stores = {
  redis: (): StructureStore => createRemoteStructures(connection),
  memory: (): StructureStore => createMemoryStructures(tier.cells),
}

describe.each(['redis', 'memory'] as const)('structures in %s', (where) => {
  const open = (): Structures => structuresOver(stores[where]())

  it('keeps fields of a hash as JSON', async () => {
    const hash = open().asHash('user:1')
    expect(await hash.hset('name', 'Ada')).toBe(1)
    expect(
      await hash.hset({ age: 36, none: null, absent: undefined, roles: ['a', { b: 1 }] }),
    ).toBe(3)
    expect(await hash.hset('name', ':colon')).toBe(0)
    expect(await hash.hget('name')).toBe(':colon')
    expect(await hash.hget('absent')).toBeUndefined()
    expect(await hash.hgetall()).toEqual({
      name: ':colon',
      age: 36,
      none: null,
      roles: ['a', { b: 1 }],
    })
    expect(await hash.hexists('none')).toBe(true)
    expect(await hash.hexists('absent')).toBe(false)
    expect(await hash.hlen()).toBe(4)
    expect((await hash.hkeys()).toSorted()).toEqual(['age', 'name', 'none', 'roles'])
    expect(await hash.hdel('none', 'absent', 'roles')).toBe(2)
    expect(await hash.hdel()).toBe(0)
    expect(await hash.hset(new Map([['bytes', Buffer.from([1, 2])]]))).toBe(1)
    expect(await hash.hget('bytes')).toEqual(Buffer.from([1, 2]))
  })

  it('counts in a field', async () => {
    const hash = open().asHash<number | string>('stats')
    expect(await hash.hincrby('views')).toBe(1)
    expect(await hash.hset('views', 41)).toBe(0)
    expect(await hash.hincrby('views', -2)).toBe(39)
    expect(await hash.hget('views')).toBe(39)
    await hash.hset('name', 'Ada')
    await expect(hash.hincrby('name')).rejects.toMatchObject({ code: 'WRONG_TYPE' })
    const most = Number.MAX_SAFE_INTEGER
    expect(await hash.hincrby('most', most)).toBe(most)
    await expect(hash.hincrby('most')).rejects.toMatchObject({ code: 'REDIS_REPLY' })
    await expect(hash.hincrby('most')).rejects.toThrow('OVERFLOW')
    expect(await hash.hget('most')).toBe(most)
    await expect(hash.hincrby('views', 1.5)).rejects.toThrow(RangeError)
    await expect(hash.hincrby('views', '1' as never)).rejects.toThrow(/^by: must be/)
  })

  it('takes any field name as data', async () => {
    const hash = open().asHash('odd')
    const names = ['__proto__', 'constructor', 'toString', '', ' ', 'ä\0']
    for (const name of names) await hash.hset(name, { polluted: true })
    await hash.hset(JSON.parse('{"__proto__": {"polluted": 2}}') as Record<string, unknown>)
    const all = await hash.hgetall()
    expect(Object.keys(all).toSorted()).toEqual(names.toSorted())
    expect(Object.getPrototypeOf(all)).toBeNull()
    expect(Object.getOwnPropertyDescriptor(all, '__proto__')?.value).toEqual({ polluted: 2 })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(await hash.hget('__proto__')).toEqual({ polluted: 2 })
    await hash.hset('value', JSON.parse('{"__proto__": {"polluted": 3}, "a": 1}'))
    expect(Object.keys((await hash.hget('value')) as object)).toEqual(['a'])
  })

  it('keeps a list in order', async () => {
    const list = open().asList('queue')
    expect(await list.rpush('b', { c: 1 })).toBe(2)
    expect(await list.lpush('a', null)).toBe(4)
    expect(await list.rpush()).toBe(4)
    expect(await list.lrange()).toEqual([null, 'a', 'b', { c: 1 }])
    expect(await list.lrange(1, 2)).toEqual(['a', 'b'])
    expect(await list.lrange(-2)).toEqual(['b', { c: 1 }])
    expect(await list.lrange(-99, -4)).toEqual([null])
    expect(await list.lrange(-99, -5)).toEqual([])
    expect(await list.lrange(3, 1)).toEqual([])
    expect(await list.lpop()).toBeNull()
    expect(await list.rpop()).toEqual({ c: 1 })
    await list.rpush('c', 'd')
    await list.ltrim(1, -2)
    expect(await list.lrange()).toEqual(['b', 'c'])
    await list.ltrim(5, 9)
    expect(await list.llen()).toBe(0)
    expect(await list.lpop()).toBeUndefined()
    await expect(list.lrange(0.5)).rejects.toThrow(/^start: must be/)
  })

  it('keeps members of a set once', async () => {
    const set = open().asSet('online')
    expect(await set.sadd('a', 'b', 'a', { id: 1 })).toBe(3)
    expect(await set.sadd('b', 2)).toBe(1)
    expect(await set.sismember({ id: 1 })).toBe(true)
    expect(await set.sismember('2')).toBe(false)
    expect(await set.scard()).toBe(4)
    expect(await set.smembers()).toEqual(expect.arrayContaining(['a', 'b', { id: 1 }, 2]))
    expect(await set.srem('a', 'x', 2)).toBe(2)
    expect(await set.scard()).toBe(2)
  })

  it('is empty where nothing stands', async () => {
    const { asHash, asList, asSet } = open()
    expect(await asHash('x').hgetall()).toEqual({})
    expect(await asHash('x').hkeys()).toEqual([])
    expect(await asList('x').lrange()).toEqual([])
    expect(await asSet('x').smembers()).toEqual([])
    expect(await asSet('x').sismember(1)).toBe(false)
  })

  it('tells a write to another type, and reads it as nothing', async () => {
    const { asHash, asList, asSet } = open()
    await asList('k').rpush(1)
    const wrong = { code: 'WRONG_TYPE' }
    await expect(asHash('k').hset('a', 1)).rejects.toMatchObject(wrong)
    await expect(asHash('k').hdel('a')).rejects.toMatchObject(wrong)
    await expect(asSet('k').sadd(1)).rejects.toMatchObject(wrong)
    await expect(asSet('k').srem(1)).rejects.toMatchObject(wrong)
    expect(await asHash('k').hgetall()).toEqual({})
    expect(await asSet('k').scard()).toBe(0)
    const strict = structuresOver(stores[where](), 1_000, false)
    await expect(strict.asHash('k').hget('a')).rejects.toMatchObject(wrong)
    expect(await asList('k').lrange()).toEqual([1])
  })

  it('stores no undefined', async () => {
    const { asHash, asList, asSet } = open()
    const code = { code: 'UNSERIALIZABLE_VALUE' }
    await expect(asHash('a').hset('f', undefined)).rejects.toMatchObject(code)
    await expect(asList('b').rpush(1, undefined)).rejects.toMatchObject(code)
    await expect(asSet('c').sadd(() => 1)).rejects.toMatchObject(code)
    expect(await asList('b').llen()).toBe(0)
    await expect(asHash('a').hset(['f'] as never)).rejects.toThrow(TypeError)
    expect(() => asHash('a', { ttl: -1 })).toThrow(/^ttl: /)
    expect(() => asHash(1 as never)).toThrow(/^key: /)
  })

  it('tells before it writes what is about to change, and nothing of reads', async () => {
    const hash = open().asHash('h')
    await hash.hgetall()
    expect(changed).toEqual([])
    await hash.hset('a', 1)
    expect(changed).toEqual(['shop:v1::h'])
  })

  it('takes thousands of elements in one call', async () => {
    const { asHash, asList, asSet } = open()
    const numbers = Array.from({ length: 9_999 }, (_, n) => n)
    expect(await asHash('h').hset(Object.fromEntries(numbers.map((n) => [`f${n}`, n])))).toBe(9_999)
    expect(await asHash('h').hget('f9998')).toBe(9_998)
    expect(await asHash('h').hdel(...numbers.map((n) => `f${n}`).slice(1))).toBe(9_998)
    expect(await asList('l').rpush(...numbers)).toBe(9_999)
    expect(await asList('l').lrange()).toEqual(numbers)
    expect(await asList('m').lpush(...numbers)).toBe(9_999)
    expect(await asList('m').lrange(0, 1)).toEqual([9_998, 9_997])
    expect(await asSet('s').sadd(...numbers)).toBe(9_999)
    expect(await asSet('s').scard()).toBe(9_999)
  })
})

describe('the end of a structure', () => {
  it('is given when it is created, in the same step, and not moved later', async () => {
    const { asHash, asList, asSet } = structuresOver(stores.redis())
    const pttl = async (key: string): Promise<number> =>
      Number(await server.command('PTTL', `shop:v1::${key}`))
    await asHash('h').hset('a', 1)
    expect(await pttl('h')).toBeGreaterThan(3_590_000)
    await server.command('PEXPIRE', 'shop:v1::h', '60000')
    await asHash('h').hset('b', 1)
    expect(await pttl('h')).toBeLessThanOrEqual(60_000)
    await asHash('n', { ttl: '5s' }).hincrby('n')
    await asList('l', { ttl: '5s' }).lpush(1)
    await asList('r', { ttl: '5s' }).rpush(1)
    await asSet('s', { ttl: '5s' }).sadd(1)
    for (const key of ['n', 'l', 'r', 's']) {
      expect(await pttl(key)).toBeGreaterThan(4_000)
      expect(await pttl(key)).toBeLessThanOrEqual(5_000)
    }
    await asList('f', { ttl: 'forever' }).rpush(1)
    await asList('f').rpush(2)
    expect(await pttl('f')).toBe(-1)
    await asList('f').rpop()
    await asList('f').rpop()
    await asList('f').rpush(3)
    expect(await pttl('f')).toBeGreaterThan(3_590_000)
  })

  it('comes by the clock in memory', async () => {
    const { asSet } = structuresOver(stores.memory())
    await asSet('s', { ttl: '5s' }).sadd(1)
    await clock.advance(4_000)
    await asSet('s', { ttl: '5s' }).sadd(2)
    expect(await asSet('s').scard()).toBe(2)
    await clock.advance(1_000)
    expect(await asSet('s').scard()).toBe(0)
  })
})

describe('what is sent', () => {
  it('is one script for the changes of a tick, in their order', async () => {
    const { asHash, asList, asSet } = structuresOver(stores.redis())
    await asHash('warm').hset('a', 1)
    await asHash('warm').hdel('a')
    await using commands = await monitor(server)
    const list = asList('l')
    const replies = await Promise.all([
      list.rpush('a'),
      asSet('s').sadd('x'),
      list.rpush('b', 'c'),
      asHash('h').hset('f', 1),
    ])
    expect(replies).toEqual([1, 1, 3, 1])
    expect(await Promise.all([list.lpop(), list.lpop(), list.lrange()])).toEqual(['a', 'b', ['c']])
    const sent = (await commands.commands()).map(({ name }) => name)
    expect(sent).toEqual(['EVALSHA', 'EVALSHA', 'LRANGE'])
  })

  it('is bounded', async () => {
    const huge = 'x'.repeat(1_100_000)
    const { asList } = structuresOver(stores.redis())
    await expect(asList('l').rpush(huge)).rejects.toMatchObject({ code: 'VALUE_TOO_LARGE' })
  })
})

describe('what other programs wrote', () => {
  it('is left out where it is no JSON', async () => {
    const { asHash, asList, asSet } = structuresOver(stores.redis())
    await server.command('RPUSH', 'shop:v1::l', '1', 'no json', '"b"')
    await server.command('SADD', 'shop:v1::s', 'no json', '{"a":1}')
    await server.command('HSET', 'shop:v1::h', 'a', 'no json', 'b', '7')
    expect(await asList('l').lrange()).toEqual([1, 'b'])
    expect(await asSet('s').smembers()).toEqual([{ a: 1 }])
    expect(await asHash('h').hgetall()).toEqual({ b: 7 })
    expect(await asHash('h').hget('a')).toBeUndefined()
    expect(await asHash('h').hincrby('b')).toBe(8)
  })
})

describe('without Redis', () => {
  it('reads nothing and rejects changes', async () => {
    const lost = await startRedis()
    const lostClient = new Redis(lost.url, { maxRetriesPerRequest: null })
    lostClient.on('error', () => undefined)
    const lostConnection = shareConnection(lostClient)
    const store = createRemoteStructures(lostConnection)
    try {
      await structuresOver(store).asList('l').rpush(1)
      await lost.command('CONFIG', 'SET', 'maxmemory', '1')
      const full = { code: 'REDIS_FULL' }
      const { asHash, asList, asSet } = structuresOver(store)
      await expect(asHash('h').hset('a', 1)).rejects.toMatchObject(full)
      expect(await asList('l').lrange()).toEqual([1])
      expect(await asList('l').lpop()).toBe(1)
      await lost.stop()
      const away = (error: unknown): boolean => isCorralError(error, 'REDIS_UNAVAILABLE')
      await expect(asSet('s').sadd(1)).rejects.toSatisfy(away)
      await expect(asList('l').lpop()).rejects.toSatisfy(away)
      expect(await asHash('h').hgetall()).toEqual({})
      expect(await asHash('h').hget('a')).toBeUndefined()
      const strict = structuresOver(store, 1_000, false)
      await expect(strict.asSet('s').smembers()).rejects.toSatisfy(away)
    } finally {
      await lostConnection.close()
      lostClient.disconnect()
      await lost.stop()
    }
  })
})
