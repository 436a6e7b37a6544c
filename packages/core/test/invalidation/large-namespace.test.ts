import { compilePattern, createKeyspace } from '@corral/connection'
import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { deletePattern } from '../../src/invalidation/delete-pattern.ts'
import { createInvalidation, type Invalidation } from '../../src/invalidation/invalidation.ts'
import { composeEntry, encodeEntry } from '../../src/protocol/wire-entry.ts'
import { createStampBook, type StampBook } from '../../src/stamps/stamp-book.ts'
import { openSide, serverMicros, type Side } from '../stamps/harness.ts'

const OURS = 100_000
const OTHERS = 200_000
const keyspace = createKeyspace({ namespace: 'shop:v1' })
let server: TestRedis
let side: Side
let book: StampBook
let invalidation: Invalidation

beforeAll(async () => {
  server = await startRedis()
  side = openSide(server)
  const { connection } = side
  book = createStampBook({ connection, namespace: 'shop:v1', ttlMs: 60_000 })
  invalidation = createInvalidation({
    connection,
    keyspace,
    book,
    onFailure: (_, error) => {
      throw error
    },
  })
})
afterAll(async () => {
  await invalidation.close()
  book.close()
  await side.end()
  await server.stop()
})

/** 300,000 keys, of which 100,000 are ours: `user:<n>` with an entry loaded now. */
async function fill(): Promise<void> {
  await server.command('FLUSHALL')
  const at = await serverMicros(server)
  const pairs: string[] = []
  const flush = async (): Promise<void> => {
    if (pairs.length > 0) await side.client.mset(...pairs)
    pairs.length = 0
  }
  for (let i = 0; i < OURS; i++) {
    const redisKey = `shop:v1::user:${i}`
    const tail = encodeEntry({ redisKey, value: { id: i, name: 'x'.repeat(100) } }) as string
    pairs.push(redisKey, composeEntry(tail, at, undefined))
    if (pairs.length >= 4000) await flush()
  }
  for (let i = 0; i < OTHERS; i++) {
    pairs.push(i % 2 === 0 ? `shop:v10::user:${i}` : `bull:queue:${i}`, '{"value":1}')
    if (pairs.length >= 4000) await flush()
  }
  await flush()
}

const keysLeft = async (): Promise<number> => Number(await server.command('DBSIZE'))

/** What a command cost the server, in microseconds of its time. */
interface Cost {
  readonly calls: number
  readonly p50: number
  readonly p99: number
}

/** What the server says that `run` cost it, by command; those inside scripts are there as well. */
async function costOf(run: () => Promise<void>): Promise<ReadonlyMap<string, Cost>> {
  await server.command('CONFIG', 'RESETSTAT')
  await run()
  const calls = new Map<string, number>()
  const counted = String(await server.command('INFO', 'commandstats'))
  for (const [, name = '', count] of counted.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)) {
    calls.set(name, Number(count))
  }
  const costs = new Map<string, Cost>()
  const timed = String(await server.command('INFO', 'latencystats'))
  const rows = timed.matchAll(/latency_percentiles_usec_(\S+?):p50=([\d.]+),p99=([\d.]+)/g)
  for (const [, name = '', p50, p99] of rows) {
    costs.set(name, { calls: calls.get(name) ?? 0, p50: Number(p50), p99: Number(p99) })
  }
  return costs
}

/**
 * No KEYS, and no command of a millisecond. SLOWLOG counts time in which the server did not run at
 * all, which on a machine that is busy with other tests befalls commands of any size: so the
 * hundredth part of them is left out.
 */
function expectLight(costs: ReadonlyMap<string, Cost>): void {
  expect(costs.has('keys')).toBe(false)
  for (const name of ['evalsha', 'scan']) {
    const { calls, p50, p99 } = costs.get(name) as Cost
    expect(calls).toBeGreaterThan(100)
    expect(p50).toBeLessThan(300)
    expect(p99).toBeLessThan(1000)
  }
}

describe('with 300,000 keys', () => {
  beforeEach(fill)

  test('clear is in force at once, sweeps 100,000 and nothing else, and what is set meanwhile stays', async () => {
    const before = await serverMicros(server)
    const cost = await costOf(async () => {
      expect(await invalidation.clear()).toBe(true)
      expect(book.verdict({ loadedAt: before, tags: [], seen: [] })).toBe('dead')
      const redisKey = 'shop:v1::user:1'
      const tail = encodeEntry({ redisKey, value: 'new' }) as string
      const entry = composeEntry(tail, await serverMicros(server), undefined)
      await server.command('SET', redisKey, entry)
      await waitFor(async () => (await keysLeft()) === OTHERS + 2, {
        what: 'the sweep',
        timeout: 50_000,
      })
      expect(await server.command('GET', redisKey)).toBe(entry)
      // A second one takes that entry too, and resolves when it has.
      expect(await invalidation.clear({ wait: true })).toBe(true)
      expect(await keysLeft()).toBe(OTHERS + 1)
    })

    expectLight(cost)
  })

  test('a pattern deletes and counts what matches', async () => {
    let gone = 0
    const cost = await costOf(async () => {
      gone = (await invalidation.deletePattern('user:1*')).removed
    })
    expect(gone).toBe(11_111)
    expect(await keysLeft()).toBe(OURS + OTHERS - gone)
    expect((await invalidation.deletePattern('user:2')).removed).toBe(1)
    expect((await invalidation.deletePattern('nothing:*')).removed).toBe(0)
    expect((await invalidation.deletePattern('*')).removed).toBe(OURS - gone - 1)
    expect(await keysLeft()).toBe(OTHERS)

    expectLight(cost)
  })

  test('keys lists what matches, decoded', async () => {
    await server.command('SET', 'shop:v1::user:9%20b', '{"value":1}')
    await server.command('SET', `shop:v1::user:9%#${'a'.repeat(43)}`, '{"value":1}')
    const found = new Set<string>()
    for await (const key of invalidation.keys('user:9?')) found.add(key)
    expect(found.size).toBe(10)
    const all = new Set<string>()
    for await (const key of invalidation.keys()) all.add(key)
    expect(all.size).toBe(OURS + 1)
    expect(all.has('user:9 b')).toBe(true)
    const exact: string[] = []
    for await (const key of invalidation.keys('user:77')) exact.push(key)
    expect(exact).toEqual(['user:77'])
    for await (const key of invalidation.keys('absent')) exact.push(key)
    expect(exact).toEqual(['user:77'])
  })
})

test('a pattern takes keys whose digest hides the end, and the lease of a load without counting it', async () => {
  await server.command('FLUSHALL')
  const long = keyspace.key(`user:1:${'x'.repeat(300)}`)
  expect(long).toContain('%#')
  await server.command('SET', long, '{"value":1}')
  await server.command('SET', 'shop:v1::user:1:lease', '{"lease":"me","at":5}')
  await server.command('RPUSH', 'shop:v1::user:1:list', 'x')
  await server.command('SET', 'shop:v1::user:10', '{"value":1}')
  const pattern = compilePattern(keyspace, `user:1:${'x'.repeat(100)}*z`)
  const maybe = compilePattern(keyspace, `user:1:*${'x'.repeat(299)}?`)
  expect((await deletePattern(side.connection, pattern)).removed).toBe(1)
  await server.command('SET', long, '{"value":1}')
  expect((await deletePattern(side.connection, maybe)).removed).toBe(1)
  expect((await deletePattern(side.connection, compilePattern(keyspace, 'user:1'))).removed).toBe(1)
  expect(await server.command('KEYS', '*')).toEqual(['shop:v1::user:10'])
})
