import { createKeyspace, type CorralError } from '@corral/connection'
import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createInvalidation, type Invalidation } from '../../src/invalidation/invalidation.ts'
import { composeEntry, encodeEntry } from '../../src/protocol/wire-entry.ts'
import { createStampBook, type StampBook } from '../../src/stamps/stamp-book.ts'
import { openSide, serverMicros, type Side } from '../stamps/harness.ts'

const keyspace = createKeyspace({ namespace: 's' })
let server: TestRedis
let side: Side
let other: Side
let book: StampBook
let invalidation: Invalidation
let failures: [string, CorralError][]
let overflows: number
let replayedAt: number | undefined

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await server.command('FLUSHALL')
  side = openSide(server, { deadline: '100ms' })
  other = openSide(server)
  const { connection } = side
  failures = []
  overflows = 0
  replayedAt = undefined
  book = createStampBook({ connection, namespace: 's', ttlMs: 60_000 })
  invalidation = createInvalidation({
    connection,
    keyspace,
    book,
    most: 1000,
    onFailure: (operation, error) => failures.push([operation, error]),
    onOverflow: () => overflows++,
    onReplayed: () => (replayedAt = performance.now()),
  })
  await waitFor(() => side.connection.available, { what: 'Redis' })
})
afterEach(async () => {
  await invalidation.close()
  book.close()
  await Promise.all([side.end(), other.end()])
})

async function store(...keys: string[]): Promise<void> {
  const at = await serverMicros(server)
  for (const key of keys) {
    const redisKey = keyspace.key(key)
    const tail = encodeEntry({ redisKey, value: 1 }) as string
    await server.command('SET', redisKey, composeEntry(tail, at, undefined))
  }
}

/** A delete, as a cache does it. */
async function remove(key: string): Promise<boolean> {
  const redisKey = keyspace.key(key)
  try {
    await side.connection.delete(redisKey)
    return true
  } catch {
    invalidation.journal.addKey(redisKey)
    return false
  }
}

const left = async (): Promise<string[]> =>
  ((await server.command('KEYS', 's::*')) as string[]).toSorted()

test('what a frozen Redis did not acknowledge is in force here, and everywhere soon after it is back', async () => {
  const keys = Array.from({ length: 300 }, (_, i) => `k:${i}`)
  await store(...keys, 'user:1', 'user:2', 'stays')
  const old = { loadedAt: await serverMicros(server), tags: ['t'], seen: [] }
  let usableAt: number | undefined
  side.connection.onAvailability((available) => {
    if (available) usableAt = performance.now()
  })
  await server.pause()
  try {
    expect(await Promise.all(keys.map(remove))).toEqual(keys.map(() => false))
    expect(await invalidation.invalidateTags(['t'])).toBe(false)
    expect(await invalidation.deletePattern('user:*')).toEqual({ removed: 0, acknowledged: false })
    expect(failures.map(([operation]) => operation)).toEqual(['invalidateTags', 'deletePattern'])
    expect(failures[0]?.[1].code).toBe('REDIS_UNAVAILABLE')
    const bypassed = (key: string): boolean => invalidation.journal.bypasses(keyspace.key(key))
    expect([bypassed('k:7'), bypassed('user:2'), bypassed('stays')]).toEqual([true, true, false])
    expect(book.verdict(old)).toBe('dead')
    expect(book.verdict({ ...old, tags: [] })).not.toBe('dead')
  } finally {
    await server.resume()
  }
  await waitFor(() => invalidation.journal.size === 0, { what: 'the replay', interval: 1 })
  expect((replayedAt ?? Infinity) - (usableAt ?? 0)).toBeLessThan(200)
  expect(await left()).toEqual(['s::stays'])
  const theirs = createStampBook({ connection: other.connection, namespace: 's', ttlMs: 60_000 })
  await theirs.learn(['t'])
  expect(theirs.verdict(old)).toBe('dead')
  theirs.close()
})

test('too many: the namespace is cleared and swept', async () => {
  const keys = Array.from({ length: 1200 }, (_, i) => `k:${i}`)
  await store('k:1', 'k:1199', 'never-named')
  const old = { loadedAt: await serverMicros(server), tags: [], seen: [] }
  side.connection.isolate()
  await Promise.all(keys.map(remove))
  expect([overflows, invalidation.journal.size]).toEqual([1, 1])
  expect(book.verdict(old)).toBe('dead')
  side.connection.reset()
  await waitFor(async () => (await left()).length === 0, { what: 'the sweep' })
  expect(invalidation.journal.size).toBe(0)
  const theirs = createStampBook({ connection: other.connection, namespace: 's', ttlMs: 60_000 })
  await theirs.learn([])
  expect(theirs.verdict(old)).toBe('dead')
  theirs.close()
})

test('a clear that waits for its sweep does not hang, and the sweep goes on when Redis is back', async () => {
  await store(...Array.from({ length: 2000 }, (_, i) => `k:${i}`))
  await server.command('RPUSH', 's::list', 'x')
  const clearing = invalidation.clear({ wait: true })
  await waitFor(async () => Number(await server.command('DBSIZE')) < 1900, {
    what: 'the sweep to begin',
    interval: 0,
  })
  side.connection.isolate()
  expect(await clearing).toBe(true)
  expect(failures.map(([operation]) => operation)).toEqual(['clear'])
  expect((await left()).length).toBeGreaterThan(0)
  side.connection.reset()
  await waitFor(async () => (await left()).length === 0, { what: 'the sweep' })
})

test('closing makes up for what it can', async () => {
  await store('a')
  side.connection.isolate()
  await remove('a')
  const before = invalidation.close()
  await before
  expect(await left()).toEqual(['s::a'])

  invalidation = createInvalidation({
    connection: side.connection,
    keyspace,
    book,
    onFailure: () => {},
  })
  side.connection.reset()
  await waitFor(() => side.connection.available, { what: 'Redis' })
  invalidation.journal.addKey('s::a')
  await invalidation.close()
  expect(await left()).toEqual([])
})
