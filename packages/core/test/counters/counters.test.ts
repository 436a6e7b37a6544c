import { createKeyspace, isCorralError, shareConnection, type Connection } from '@corral/connection'
import { monitor, startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCounting, type Counting, type CountingDeps } from '../../src/counters/counting.ts'
import { createFailures } from '../../src/engine/failures.ts'
import {
  encodeEntry,
  incrementArgs,
  incrementReply,
  incrementScript,
} from '../../src/protocol/index.ts'
import { dropScript, removeArgs, setArgs, writeScript } from '../../src/protocol/write-script.ts'
import { createStampBook, type StampBook } from '../../src/stamps/stamp-book.ts'
import { createCounters } from '../../src/stats.ts'

const namespace = 'shop:v1'
const keyspace = createKeyspace({ namespace })
const hour = 3_600_000
let changed: string[] = []

function tierOf(connection: Connection): CountingDeps['tier'] {
  return {
    increment: async (key, request) =>
      incrementReply(await connection.scriptEach(incrementScript, key, incrementArgs(request))),
    remove: (key, identity) => connection.scriptEach(dropScript, key, removeArgs(identity)),
  }
}

function countingOver(connection: Connection, stamps: CountingDeps['stamps']): Counting {
  return createCounting({
    keyspace,
    tier: tierOf(connection),
    stamps,
    skewUs: 0,
    ttlMs: hour,
    failures: createFailures({ kind: 'cache', name: namespace }, createCounters(), true),
    changing: (redisKey) => changed.push(redisKey),
  })
}

let server: TestRedis
let client: Redis
let connection: Connection
let stamps: StampBook
let counting: Counting

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
  connection = shareConnection(client, { deadline: '5s' })
})
afterAll(async () => {
  stamps.close()
  await connection.close()
  client.disconnect()
  await server.stop()
})
beforeEach(async () => {
  stamps?.close()
  await server.command('FLUSHALL')
  stamps = createStampBook({ connection, namespace, ttlMs: hour })
  counting = countingOver(connection, stamps)
  changed = []
})

const raw = async (key: string): Promise<unknown> => server.command('GET', `shop:v1::${key}`)
const pttl = async (key: string): Promise<number> =>
  Number(await server.command('PTTL', `shop:v1::${key}`))

async function setEntry(key: string, value: unknown, tags: readonly string[] = []): Promise<void> {
  const redisKey = keyspace.key(key)
  const tail = encodeEntry({ redisKey, value, tags }) as string
  await connection.scriptEach(writeScript, redisKey, setArgs(60_000, tail))
}

describe('counters', () => {
  it('are bare integers that get their end when they begin', async () => {
    expect(await counting.increment('views')).toBe(1)
    expect(await raw('views')).toBe('1')
    expect(await pttl('views')).toBeGreaterThan(hour - 10_000)
    expect(await counting.increment('views', 41)).toBe(42)
    expect(await counting.decrement('views')).toBe(41)
    expect(await counting.decrement('views', 50)).toBe(-9)
    expect(await counting.increment('views', 0)).toBe(-9)
    expect(await counting.decrement('views', 0)).toBe(-9)
    expect(changed).toHaveLength(6)
  })

  it('keep the end that they were given first', async () => {
    await counting.increment('window', 1, { ttl: '5s' })
    await counting.increment('window', 1, { ttl: '1h' })
    expect(await pttl('window')).toBeLessThanOrEqual(5_000)
    await counting.increment('always', 1, { ttl: 'forever' })
    expect(await pttl('always')).toBe(-1)
  })

  it('lose no call of many at once, and share one command of a tick', async () => {
    await counting.increment('many', 0)
    await using commands = await monitor(server)
    await Promise.all(Array.from({ length: 100 }, () => counting.increment('many')))
    expect((await commands.commands()).map(({ name }) => name)).toEqual(['EVALSHA'])
    expect(await raw('many')).toBe('100')
    expect(new Set(await Promise.all([1, 2, 3].map(() => counting.increment('many'))))).toEqual(
      new Set([101, 102, 103]),
    )
  })

  it('go on from an integer that was set, and keep its end', async () => {
    await setEntry('stock', 7)
    expect(await counting.increment('stock', 3)).toBe(10)
    expect(await raw('stock')).toBe('10')
    expect(await pttl('stock')).toBeLessThanOrEqual(60_000)
    for (const value of ['7', 1.5, null, { n: 1 }]) {
      await setEntry('stock', value)
      await expect(counting.increment('stock')).rejects.toMatchObject({ code: 'WRONG_TYPE' })
    }
  })

  it('begin anew after a clear', async () => {
    await setEntry('stock', 7)
    await stamps.stampNamespace()
    expect(await counting.increment('stock', 3)).toBe(3)
    expect(await pttl('stock')).toBeGreaterThan(60_000)
  })

  it('begin anew after a clear by another process, also when nothing is known here yet', async () => {
    await setEntry('stock', 7)
    const [seconds, micros] = (await server.command('TIME')) as [string, string]
    await server.command('SET', 'corral:stamp:{shop:v1}', `${seconds}${micros.padStart(6, '0')}`)
    expect(await counting.increment('stock', 3)).toBe(3)
  })

  it('go on from a tagged entry while its tags live, and begin anew once one is invalidated', async () => {
    await setEntry('a', 7, ['user:1', 'shop'])
    await setEntry('b', 7, ['user:1', 'shop'])
    expect(await counting.increment('a')).toBe(8)
    expect(await raw('a')).toBe('8')
    expect(await stamps.invalidateTags(['shop'])).toBe(true)
    expect(await counting.increment('b')).toBe(1)
    expect(await counting.increment('a')).toBe(9)
  })

  it('break a lease in their way', async () => {
    await server.command('SET', 'shop:v1::k', '{"lease":"abc","at":1}', 'PX', '60000')
    expect(await counting.increment('k')).toBe(1)
  })

  it('tell what is no counter', async () => {
    await server.command('RPUSH', 'shop:v1::list', '1')
    await server.command('SET', 'shop:v1::text', 'hello')
    for (const key of ['list', 'text']) {
      await expect(counting.increment(key)).rejects.toMatchObject({ code: 'WRONG_TYPE' })
    }
  })

  it.each([
    '9007199254740991',
    '9007199254740993',
    '9223372036854775807',
    '{"value":9007199254740991}',
  ])('do not go on from %s, which would leave 2^53, and leave it as it is', async (text) => {
    await server.command('SET', 'shop:v1::n', text, 'PX', '60000')
    await expect(counting.increment('n')).rejects.toMatchObject({ code: 'REDIS_REPLY' })
    await expect(counting.increment('n')).rejects.toThrow('OVERFLOW')
    expect(await raw('n')).toBe(text)
    expect(await pttl('n')).toBeGreaterThan(50_000)
  })

  it('go to the end of what is exact, in both directions', async () => {
    const most = Number.MAX_SAFE_INTEGER
    expect(await counting.increment('n', most)).toBe(most)
    await expect(counting.increment('n')).rejects.toThrow('OVERFLOW')
    expect(await counting.decrement('n')).toBe(most - 1)
    expect(await counting.decrement('m', most)).toBe(-most)
    await expect(counting.decrement('m')).rejects.toThrow('OVERFLOW')
    expect(await raw('m')).toBe(String(-most))
  })

  it('give up on an entry that changes under every try', async () => {
    const text = `{"c":1,"at":1${encodeEntry({ redisKey: 'shop:v1::k', value: 1, tags: ['t'] })}`
    let calls = 0
    const restless = createCounting({
      keyspace,
      tier: {
        async increment() {
          calls++
          return { status: 'tagged', text }
        },
        remove: async () => undefined,
      },
      stamps,
      skewUs: 0,
      ttlMs: hour,
      failures: createFailures({ kind: 'cache', name: namespace }, createCounters(), true),
      changing: () => undefined,
    })
    await expect(restless.increment('k')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    expect(calls).toBe(10)
  })
})

describe('what may be added', () => {
  it.each([
    [1.5, RangeError],
    [Number.NaN, RangeError],
    [Infinity, RangeError],
    [2 ** 53, RangeError],
    ['1', TypeError],
    [null, TypeError],
    [1n, TypeError],
  ])('is not %s', async (by, error) => {
    const refused = counting.increment('k', by as never)
    await expect(refused).rejects.toThrow(error)
    await expect(refused).rejects.toThrow(/^by: must be a whole number/)
    await expect(counting.decrement('k', by as never)).rejects.toThrow(error)
    expect(changed).toEqual([])
  })

  it('is checked with key and ttl', async () => {
    await expect(counting.increment(5 as never)).rejects.toThrow(/^key: /)
    await expect(counting.increment('k', 1, { ttl: 0 })).rejects.toThrow(/^ttl: /)
    await expect(counting.increment('k', 1, 60 as never)).rejects.toThrow(/^options: /)
  })
})

describe('without Redis', () => {
  it('rejects, and counts nothing later', async () => {
    const away = await startRedis()
    const awayClient = new Redis(away.url, { maxRetriesPerRequest: null })
    awayClient.on('error', () => undefined)
    const awayConnection = shareConnection(awayClient, { onWarning: () => undefined })
    const book = createStampBook({ connection: awayConnection, namespace, ttlMs: hour })
    const counters = countingOver(awayConnection, book)
    try {
      await counters.increment('n')
      await away.command('CONFIG', 'SET', 'maxmemory', '1')
      await expect(counters.increment('other')).rejects.toMatchObject({ code: 'REDIS_FULL' })
      await away.command('CONFIG', 'SET', 'maxmemory', '0')
      awayConnection.isolate()
      const lost = (error: unknown): boolean => isCorralError(error, 'REDIS_UNAVAILABLE')
      await expect(counters.increment('n')).rejects.toSatisfy(lost)
      awayConnection.reset()
      expect(await counters.increment('n')).toBe(2)
    } finally {
      book.close()
      await awayConnection.close()
      awayClient.disconnect()
      await away.stop()
    }
  })
})
