import {
  type FaultProxy,
  memoryAfterGc,
  startProxy,
  startRedis,
  type TestRedis,
  waitFor,
} from '@corral/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { defineEachScript, defineScript, isCorralError, shareConnection } from '../../src/index.ts'
import { type Client, type Driver, drivers, ignore, SHARED } from './drivers.ts'

const QUIET = { signals: false, onWarning: ignore } as const

const keep = defineEachScript({
  name: 'test-keep',
  argsPerKey: 1,
  lua: `for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1]) end return {}`,
})
const echo = defineScript({ name: 'test-echo', lua: 'return ARGV[2]' })
const touch = defineEachScript({
  name: 'test-touch',
  argsPerKey: 1,
  lua: `for i, key in ipairs(KEYS) do redis.call('SET', key, '1', 'PX', ARGV[i + 1]) end return KEYS`,
})

const leftovers: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const end of leftovers.splice(0).toReversed()) await end()
})

async function serve(): Promise<TestRedis> {
  const redis = await startRedis({ prefer: 'binary' })
  leftovers.push(() => redis.stop())
  return redis
}

async function proxied(redis: TestRedis): Promise<FaultProxy> {
  const proxy = await startProxy({ target: redis })
  leftovers.push(() => proxy.close())
  return proxy
}

function open(Redis: Driver['Redis'], port: number): Client {
  const client = new Redis(port, SHARED)
  client.on('error', ignore)
  leftovers.push(() => client.disconnect())
  return client
}

async function outcomesOf(calls: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const result of await Promise.allSettled(calls)) {
    let outcome = 'done'
    if (result.status === 'rejected') {
      const error: unknown = result.reason
      outcome = isCorralError(error) ? (error.reason ?? error.code) : String(error)
    }
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

describe.each(drivers)('$name', ({ Redis }) => {
  it('answers a burst of 5,000 different keys, each call by itself', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    await using connection = shareConnection(client, QUIET)
    const keys = Array.from({ length: 5_000 }, (_, i) => `burst:${i}`)

    await Promise.all(keys.map((key) => connection.set(key, key)))
    expect(await Promise.all(keys.map((key) => connection.get(key)))).toEqual(keys)
    expect(await connection.getMany(keys)).toEqual(keys)
    const reads = keys.slice(0, 500).map((key) => connection.read({ name: 'strlen', key }))
    expect(await Promise.all(reads)).toEqual(keys.slice(0, 500).map((key) => key.length))
    const gone = await Promise.all(keys.map((key) => connection.delete(key)))
    expect(gone.every(Boolean)).toBe(true)
  })

  it('answers calls over 100,000 keys, and others beside them', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    await using connection = shareConnection(client, { ...QUIET, deadline: '2s' })
    const keys = Array.from({ length: 100_000 }, (_, i) => `bulk:${i}`)
    const ttls = keys.map((_, i) => 60_000 + (i % 2) * 1_000_000)

    const beside: number[] = []
    let going = true
    const others = (async () => {
      while (going) {
        const askedAt = performance.now()
        await connection.get('beside')
        beside.push(performance.now() - askedAt)
      }
    })()
    await connection.scriptMany(touch, keys, ttls)
    const got = await connection.getMany(keys)
    going = false
    await others
    expect(got.filter((value) => value === '1')).toHaveLength(100_000)
    for (const i of [0, 1_999, 2_001, 99_999]) {
      const left = Number(await connection.read({ name: 'pttl', key: `bulk:${i}` }))
      expect(left > 60_000, `${i}`).toBe(i % 2 === 1)
    }
    // None of them had to wait for the whole of a bulk call.
    expect(beside.length).toBeGreaterThan(50)
  }, 30_000)

  it('ends a call over many keys with the first slice of which nothing is answered', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    await using connection = shareConnection(client, { ...QUIET, maxPending: 8, maxQueued: 92 })
    await connection.set('warm', 'up')
    await redis.pause()
    const keys = Array.from({ length: 10_000 }, (_, i) => `bulk:${i}`)
    const failed: string[] = []
    const startedAt = performance.now()
    const got = await connection.getMany(keys, {
      onPartialFailure: (_error, which) => failed.push(...which),
    })
    const took = performance.now() - startedAt
    await expect(connection.getMany(keys)).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await redis.resume()
    expect(got).toEqual(keys.map(() => null))
    expect(failed).toEqual(keys)
    expect(took).toBeLessThan(200 + 150)
  })

  it('has at most maxPending commands in flight and maxQueued calls waiting', async () => {
    const redis = await serve()
    const proxy = await proxied(redis)
    const client = open(Redis, proxy.port)
    await using connection = shareConnection(client, {
      ...QUIET,
      maxPending: 8,
      maxQueued: 50,
      deadline: '300ms',
    })
    await connection.get('warm')
    await redis.pause()
    proxy.clearStats()
    const startedAt = performance.now()
    // Reads that share nothing: each is a command.
    const calls = Array.from({ length: 100 }, (_, i) =>
      connection.read({ name: 'strlen', key: `key:${i}` }),
    )
    const outcomes = await outcomesOf(calls)
    const took = performance.now() - startedAt
    const sent = proxy.stats().commands.filter(({ name }) => name === 'STRLEN').length
    await redis.resume()

    expect(sent).toBe(8)
    // 42 at once for want of room; the queued ones when the breaker opened or at their deadline.
    expect(outcomes['overloaded']).toBe(100 - 8 - 50)
    expect((outcomes['deadline'] ?? 0) + (outcomes['breaker-open'] ?? 0)).toBe(58)
    expect(took).toBeLessThan(300 + 150)
    const { nodes } = await connection.health()
    expect(nodes[0]?.queued).toBe(0)
    await waitFor(() => connection.available, { what: 'recovery' })
    expect(await connection.get('warm')).toBeNull()
  })

  it('has at most maxPendingBytes of writes in flight, and refuses large values', async () => {
    const redis = await serve()
    const proxy = await proxied(redis)
    const client = open(Redis, proxy.port)
    await using connection = shareConnection(client, {
      ...QUIET,
      maxPendingBytes: 64 * 1024,
      maxValueBytes: 50_000,
    })
    await connection.set('warm', 'up')
    await redis.pause()
    const before = proxy.stats().bytesUp
    const calls: Promise<void>[] = []
    for (let i = 0; i < 10; i++) {
      calls.push(connection.set(`big:${i}`, 'x'.repeat(40_000)))
      // A batch of its own each.
      await new Promise((resolve) => setImmediate(resolve))
    }
    const outcomes = await outcomesOf(calls)
    const sent = proxy.stats().bytesUp - before
    await redis.resume()
    expect(outcomes['done']).toBeUndefined()
    expect(sent).toBeLessThan(64 * 1024)
    expect(sent).toBeGreaterThan(40_000)

    await expect(connection.set('x', 'x'.repeat(50_001))).rejects.toMatchObject({
      code: 'VALUE_TOO_LARGE',
    })
    await expect(connection.set('x', 'ä'.repeat(25_001))).rejects.toMatchObject({
      code: 'VALUE_TOO_LARGE',
    })
    await expect(connection.set('x', Buffer.alloc(50_001))).rejects.toMatchObject({
      code: 'VALUE_TOO_LARGE',
    })
    connection.reset()
    await waitFor(async () => connection.set('x', Buffer.alloc(50_000)).then(() => true))
  })

  it.each([['ä'.repeat(25_001)], [Buffer.alloc(50_001)]])(
    'refuses what is over maxValueBytes in a script or a message as well, and sends nothing',
    async (value) => {
      const redis = await serve()
      const client = open(Redis, redis.port)
      await using connection = shareConnection(client, { ...QUIET, maxValueBytes: 50_000 })
      const large = { code: 'VALUE_TOO_LARGE' }
      const calls = [
        connection.script(echo, ['k'], ['small', value]),
        connection.scriptEach(keep, 'k', [value]),
        connection.scriptMany(keep, ['k', 'l'], ['small', value]),
        connection.publish('corral:channel', value as string),
      ]
      for (const call of calls) await expect(call).rejects.toMatchObject(large)
      expect(await connection.getMany(['k', 'l'])).toEqual([null, null])
      const most = 'ä'.repeat(25_000)
      await connection.scriptMany(keep, ['k', 'l'], ['small', most])
      expect(await connection.getMany(['k', 'l'])).toEqual(['small', most])
      expect(await connection.script(echo, [], [most])).toBe(most)
      await connection.publish('corral:channel', most)
    },
  )

  it('keeps nothing of 100,000 refused calls', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    await using connection = shareConnection(client, QUIET)
    await connection.get('warm')
    await redis.kill()
    await waitFor(() => client.status !== 'ready', { what: 'the client to notice' })
    const refuse = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i += 100) {
        const calls = Array.from({ length: 100 }, (_, n) =>
          n % 2 === 0 ? connection.get(`key:${i}`) : connection.set(`key:${i}`, 'x'.repeat(100)),
        )
        expect(await outcomesOf(calls)).toEqual({ 'not-ready': 100 })
      }
    }
    await refuse(5_000)
    const before = await memoryAfterGc()
    await refuse(100_000)
    expect((await memoryAfterGc()) - before).toBeLessThan(2 * 1024 * 1024)
  })

  it('keeps nothing of deadlines of many different lengths', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    await using connection = shareConnection(client, QUIET)
    const ask = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        await Promise.all([
          connection.get('key', { deadlineMs: 500 + Math.random() * 100 }),
          connection.scriptEach(touch, 'key', [1_000], { deadlineMs: 500 + Math.random() * 100 }),
        ])
      }
    }
    await ask(2_000)
    const before = await memoryAfterGc()
    await ask(10_000)
    expect((await memoryAfterGc()) - before).toBeLessThan(1024 * 1024)
  })

  it('keeps the order of writes and lets reads of the same tick see them', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    await using connection = shareConnection(client, QUIET)
    // The first use of each script on the connection, when one of them would need a second try.
    await connection.set('warm', 'up')
    for (let round = 0; round < 20; round++) {
      if (round === 10) await redis.command('SCRIPT', 'FLUSH')
      const [, , , value, many, length] = await Promise.all([
        connection.set('a', 'first'),
        connection.delete('a'),
        connection.set('a', 'last'),
        connection.get('a'),
        connection.getMany(['a', 'b']),
        connection.read({ name: 'strlen', key: 'a' }),
      ])
      // A script that the server has just forgotten goes twice, so that reads are sooner: waiting for
      // the write is the way to see it then.
      if (round !== 10) expect([value, many, length]).toEqual(['last', ['last', null], 4])
      expect(await connection.get('a')).toBe('last')
      await Promise.all([
        connection.delete('a'),
        connection.scriptMany(touch, ['a', 'c'], ['5000', '5000']),
        connection.set('c', 'after'),
      ])
      expect(await connection.getMany(['a', 'c'])).toEqual(['1', 'after'])
    }
  })

  it('tells errors inside a shared script to the calls that they belong to', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    await using connection = shareConnection(client, QUIET)
    await redis.command('RPUSH', 'list', 'x')
    const append = defineEachScript({
      name: 'test-append',
      argsPerKey: 1,
      lua: `local out = {}
        for i, key in ipairs(KEYS) do out[i] = redis.pcall('APPEND', key, ARGV[i + 1]) end
        return out`,
    })
    const results = await Promise.allSettled([
      connection.scriptEach(append, 'one', ['secret-1']),
      connection.scriptEach(append, 'list', ['secret-2']),
      connection.scriptEach(append, 'two', ['secret-3']),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: { code: 'WRONG_TYPE' } })
    await expect(connection.scriptMany(append, ['one', 'list'], ['x', 'y'])).rejects.toMatchObject({
      code: 'WRONG_TYPE',
    })
    expect(
      await connection.scriptMany(append, ['one', 'list'], ['x', 'y'], {
        onPartialFailure: ignore,
      }),
    ).toEqual([10, expect.objectContaining({ code: 'WRONG_TYPE' })])
    // Full: the errors are inside the reply, and still open the write side.
    await redis.command('CONFIG', 'SET', 'maxmemory', '1')
    expect(await outcomesOf([connection.set('n', '1')])).toEqual({ REDIS_FULL: 1 })
    expect((await connection.health()).nodes[0]).toMatchObject({ read: 'closed', write: 'open' })
    expect(await connection.delete('one')).toBe(true)
    expect(await connection.get('two')).toBe('secret-3')
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')
    await waitFor(() => connection.set('n', '1').then(() => true))
    expect((await connection.health()).status).toBe('ok')
  })

  it('does not blame Redis for an event loop that was held up', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    await using connection = shareConnection(client, { ...QUIET, deadline: '50ms' })
    await waitFor(() => connection.set('a', '1').then(() => true))
    const hold = (ms: number): void => {
      const until = performance.now() + ms
      while (performance.now() < until);
    }
    for (let round = 0; round < 5; round++) {
      // Held up before the calls of this tick have left, and again while their answers are there.
      const calls = [connection.get('a'), connection.set('a', '1'), connection.delete('b')]
      hold(120)
      await new Promise((resolve) => setImmediate(resolve))
      hold(120)
      expect(await Promise.all(calls)).toEqual(['1', undefined, false])
    }
    expect(connection.available).toBe(true)
  })

  it('lets calls that are under way finish when it is closed, and waits for no hung server', async () => {
    const redis = await serve()
    const client = open(Redis, redis.port)
    const connection = shareConnection(client, QUIET)
    await connection.get('warm')
    const calls = [connection.set('a', '1'), connection.get('a')]
    await connection.close()
    expect(await Promise.all(calls)).toEqual([undefined, '1'])

    const again = shareConnection(client, { ...QUIET, deadline: '5s' })
    await waitFor(() => again.set('a', '2').then(() => true))
    await redis.pause()
    const hung = [again.set('a', '3'), again.get('a')]
    await new Promise((resolve) => setImmediate(resolve))
    const startedAt = performance.now()
    await again.close()
    expect(performance.now() - startedAt).toBeLessThan(1_500)
    await redis.resume()
    expect(await outcomesOf(hung)).toEqual({ 'connection-lost': 2 })
    // It may have been done, but not after its caller was told.
    expect(['2', '3']).toContain(await redis.command('GET', 'a'))
  })
})
