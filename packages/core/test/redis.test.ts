import { shareConnection } from '@corral/connection'
import { startRedis, monitor, recordTrace, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type Cache } from '../src/index.ts'

let server: TestRedis
let client: Redis
let cache: Cache

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

beforeEach(async () => {
  await server.command('FLUSHALL')
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
  // These tests are about what is done, not how fast: they shall pass on a busy machine.
  const connection = shareConnection(client, { deadline: '5s' })
  cache = createCache({ connection, namespace: 'shop:v1' })
  await connection.close()
})

afterEach(async () => {
  await cache.close()
  client.disconnect()
})

/** What the cache sends by itself: clocks, heartbeats, the look at the server's memory, signals. */
const aside = new Set(['TIME', 'PING', 'INFO', 'CLIENT', 'SUBSCRIBE'])

/** Stamps are known, scripts are loaded: from here on only what is asked for is sent. */
async function settled(): Promise<void> {
  await cache.getOrSet('warm', () => 1)
  await cache.delete('warm')
  await cache.connection?.signals.whenOn(5_000)
  await cache.get('warm')
}

const raw = async (key: string): Promise<string | null> =>
  (await server.command('GET', key)) as string | null

describe('on a real Redis', () => {
  it('stores, reads, deletes', async () => {
    expect(await cache.set('user:1', { name: 'Ada', tags: [null, false, 0, ''] }, '5m')).toBe(true)
    expect(await cache.get('user:1')).toEqual({ name: 'Ada', tags: [null, false, 0, ''] })
    expect(await cache.ttl('user:1')).toBeGreaterThan(299)
    expect(await cache.delete('user:1')).toBe(true)
    expect(await cache.delete('user:1')).toBe(true)
    expect(await cache.get('user:1')).toBeUndefined()
  })

  it('writes what Keyv reads, ending by the clock of the server', async () => {
    await cache.set('user:1', { name: 'Ada' }, '5m')
    const entry = JSON.parse((await raw('shop:v1::user:1')) ?? '') as {
      value: unknown
      expires: number
    }
    expect(entry.value).toEqual({ name: 'Ada' })
    const [seconds] = (await server.command('TIME')) as string[]
    expect(Math.abs(entry.expires - 300_000 - Number(seconds) * 1_000)).toBeLessThan(5_000)
    expect(Number(await server.command('PEXPIRETIME', 'shop:v1::user:1'))).toBeGreaterThanOrEqual(
      entry.expires,
    )
    await cache.set('user:2', 1, 'forever')
    expect(await cache.ttl('user:2')).toBe(Infinity)
    expect(JSON.parse((await raw('shop:v1::user:2')) ?? '')).not.toHaveProperty('expires')
  })

  it.each([
    ['what Keyv writes', '{"value":{"name":"Ada"},"expires":99999999999999}', { name: 'Ada' }],
    ['what Keyv writes without an end', '{"value":null}', null],
    ['a counter', '42', 42],
    ['what Keyv wrote and has ended', '{"value":1,"expires":1000}', undefined],
    ['garbage', 'hello', undefined],
    ['broken JSON', '{"value":', undefined],
    ['a later format', '{"c":9,"at":1,"value":1}', undefined],
    ['a lease', '{"lease":"abc","at":1}', undefined],
    ['nothing', '', undefined],
  ])('reads %s', async (_what, text, value) => {
    await server.command('SET', 'shop:v1::k', text, 'PX', 60_000)
    expect(await cache.get('k')).toEqual(value)
    expect(await cache.has('k')).toBe(value !== undefined)
    expect((await cache.ttl('k')) !== undefined).toBe(value !== undefined)
  })

  it.each([
    ['user:1', 'user:1', 'user:2', 'user:2'],
    // What is asked for looks like what stands in Redis for the other.
    ['user 1', 'user%201', 'user%201', 'user%25201'],
  ])("does not serve one key's entry under another: %s as %s", async (one, its, other, others) => {
    await cache.set(one, 'secret of 1')
    await server.command('RENAME', `shop:v1::${its}`, `shop:v1::${others}`)
    using trace = recordTrace(['corral:core:miss'])
    expect(await cache.get(other)).toBeUndefined()
    expect(await cache.getMany([other])).toEqual([undefined])
    const mismatch = { message: { reason: 'mismatch' } }
    expect(trace.events).toMatchObject([mismatch, mismatch])
  })

  it('leaves a list alone: a miss, not filled, overwritten only by an explicit set', async () => {
    await server.command('RPUSH', 'shop:v1::k', 'a', 'b')
    using trace = recordTrace(['corral:core:error'])
    expect(await cache.get('k')).toBeUndefined()
    expect(await cache.getOrSet('k', () => 1)).toBe(1)
    expect(await server.command('LRANGE', 'shop:v1::k', 0, -1)).toEqual(['a', 'b'])
    expect(trace.events).toMatchObject([{ message: { operation: 'lease', code: 'WRONG_TYPE' } }])
    expect(await cache.set('k', 2)).toBe(true)
    expect(await cache.get('k')).toBe(2)
  })

  it('works on thousands of keys at once, and touches no other', async () => {
    await server.command('MSET', 'bull:mail:id', '7', 'shop:v10::a', '1', 'shop:v1:a', '1')
    const keys = Array.from({ length: 5_000 }, (_, index) => `user:{${index % 7}} ${index}`)
    expect(await cache.setMany(keys.map((key, value) => ({ key, value })))).toEqual(
      keys.map(() => true),
    )
    expect(await cache.getMany(keys)).toEqual([...keys.keys()])
    expect(await cache.deleteMany(keys)).toEqual(keys.map(() => true))
    expect(await cache.getMany(keys)).toEqual(keys.map(() => undefined))
    expect(await server.command('DBSIZE')).toBe(3)
    await server.command('DEL', 'bull:mail:id', 'shop:v10::a', 'shop:v1:a')
  })

  it('answers a burst of 5,000 single calls', async () => {
    const keys = Array.from({ length: 5_000 }, (_, index) => `user:${index}`)
    const stored = await Promise.all(keys.map((key, value) => cache.set(key, value)))
    expect(stored.every(Boolean)).toBe(true)
    expect(await Promise.all(keys.map((key) => cache.get(key)))).toEqual([...keys.keys()])
    expect((await Promise.all(keys.map((key) => cache.delete(key)))).every(Boolean)).toBe(true)
    expect((await cache.stats()).errors).toBe(0)
  })

  it('gives each entry of a shared script its own end', async () => {
    const ttls = [60, 60, 120, 'forever', 120, 60] as const
    await Promise.all(ttls.map((ttl, index) => cache.set(`k${index}`, index, ttl)))
    for (const [index, ttl] of ttls.entries()) {
      const { expires } = JSON.parse((await raw(`shop:v1::k${index}`)) ?? '') as {
        expires?: number
      }
      const end = Number(await server.command('PEXPIRETIME', `shop:v1::k${index}`))
      // TIME and the clock that PX goes by are read one after the other.
      expect(Math.abs(end - (expires ?? -1))).toBeLessThanOrEqual(1)
      const seconds = await cache.ttl(`k${index}`)
      expect(seconds === Infinity ? 'forever' : Math.ceil((seconds ?? 0) / 10) * 10).toBe(ttl)
    }
  })

  it('sends the calls of one tick together', async () => {
    await settled()
    await using watch = await monitor(server)
    const keys = Array.from({ length: 100 }, (_, index) => `user:${index}`)
    await Promise.all(keys.map((key) => cache.set(key, 1)))
    await Promise.all(keys.map((key) => cache.get(key)))
    await Promise.all(keys.map((key) => cache.delete(key)))
    const names = (await watch.commands())
      .map(({ name }) => name)
      .filter((name) => !aside.has(name))
    expect(names).toEqual(['EVALSHA', 'MGET', 'EVALSHA'])
  })

  it('needs one command for a hit and three for a miss with its fill, however many callers', async () => {
    await settled()
    await using watch = await monitor(server)
    const load = vi.fn(async () => 'value')
    await Promise.all(Array.from({ length: 1_000 }, () => cache.getOrSet('k', load)))
    expect(load).toHaveBeenCalledTimes(1)
    const names = (): Promise<string[]> =>
      watch.commands().then((all) => all.map(({ name }) => name).filter((name) => !aside.has(name)))
    await vi.waitFor(async () => expect(await names()).toEqual(['MGET', 'EVALSHA', 'EVALSHA']))
    await watch.clear()
    expect(await cache.getOrSet('k', load)).toBe('value')
    expect(await names()).toEqual(['MGET'])
  })

  it('does not store a value over the limit, and says so', async () => {
    using trace = recordTrace(['corral:core:error'])
    const big = 'x'.repeat(1_100_000)
    expect(await cache.set('k', big)).toBe(false)
    expect(await cache.getOrSet('k', () => big)).toBe(big)
    expect(
      await cache.setMany([
        { key: 'b', value: big },
        { key: 'a', value: 1 },
      ]),
    ).toEqual([false, true])
    await vi.waitFor(() => expect(trace.events).toHaveLength(3))
    expect(trace.events.map(({ message }) => (message as { code: string }).code)).toEqual(
      Array.from({ length: 3 }, () => 'VALUE_TOO_LARGE'),
    )
    expect(await cache.has('k')).toBe(false)
  })

  it('rides on a BullMQ queue and leaves it open', async () => {
    const queue = new Queue('mail', {
      connection: {
        host: server.host,
        port: server.port,
        maxRetriesPerRequest: null,
        socketTimeout: 15_000,
      },
    })
    const shared = createCache({ connection: queue, namespace: 'mail:v1' })
    await queue.waitUntilReady()
    const before = ((await server.command('CLIENT', 'LIST')) as string).trim().split('\n').length
    expect(await shared.set('a', 1)).toBe(true)
    expect(await shared.get('a')).toBe(1)
    // One connection of its own, for signals.
    await shared.connection?.signals.whenOn(5_000)
    expect(((await server.command('CLIENT', 'LIST')) as string).trim().split('\n').length).toBe(
      before + 1,
    )
    expect((await shared.health()).status).toBe('ok')
    await shared.close()
    expect(await queue.add('hello', {})).toHaveProperty('id', '1')
    await queue.close()
  })

  it('tells figures of the server', async () => {
    await cache.set('a', 1)
    await cache.get('a')
    await cache.get('b')
    expect(await cache.stats()).toMatchObject({
      hits: 1,
      misses: 1,
      hitRate: 0.5,
      sets: 1,
      keys: 1,
      available: true,
    })
    expect((await cache.stats()).memory).toBeGreaterThan(100_000)
  })
})

describe('under maxmemory with noeviction', () => {
  it('reads and deletes go on, writes tell false, a loader is still served', async () => {
    await cache.set('a', 1)
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      expect(await cache.set('b', 1)).toBe(false)
      expect(await cache.getOrSet('c', () => 3)).toBe(3)
      expect(await cache.get('a')).toBe(1)
      expect(await cache.delete('a')).toBe(true)
      expect(await server.command('EXISTS', 'shop:v1::a', 'shop:v1::b', 'shop:v1::c')).toBe(0)
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', '0')
    }
    await vi.waitFor(async () => expect(await cache.set('b', 1)).toBe(true), { timeout: 10_000 })
  })
})
