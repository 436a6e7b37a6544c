import { createKeyspace, shareConnection, type Connection } from '@corral/connection'
import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createInvalidation, type Invalidation } from '../../src/invalidation/invalidation.ts'
import { composeEntry, encodeEntry } from '../../src/protocol/wire-entry.ts'
import { createStampBook, type StampBook } from '../../src/stamps/stamp-book.ts'

const keyspace = createKeyspace({ namespace: 'shop:v1' })
let server: TestRedis
let client: Cluster
let connection: Connection
let book: StampBook
let invalidation: Invalidation

beforeAll(async () => {
  server = await startRedis({ mode: 'cluster' })
  client = new Cluster([{ host: server.host, port: server.port }])
  client.on('error', () => {})
  connection = shareConnection(client, { deadline: '5s', onWarning: () => {} })
  await waitFor(() => connection.set('x', '1').then(() => true), {
    timeout: 30_000,
    what: 'the cluster',
  })
  await connection.delete('x')
  book = createStampBook({ connection, namespace: 'shop:v1', ttlMs: 60_000 })
  invalidation = createInvalidation({
    connection,
    keyspace,
    book,
    childPrefixes: () => ['shop:v1:known::'],
    onFailure(_, error) {
      throw error
    },
  })
}, 120_000)
afterAll(async () => {
  await invalidation.close()
  book.close()
  await connection.close()
  client.disconnect()
  await server.stop()
})

async function store(redisKeys: readonly string[], loadedAt: number): Promise<void> {
  await Promise.all(
    redisKeys.map((redisKey) => {
      const tail = encodeEntry({ redisKey, value: 1 }) as string
      return client.set(redisKey, composeEntry(tail, loadedAt, undefined))
    }),
  )
}

async function count(): Promise<number> {
  const sizes = await Promise.all(client.nodes('master').map((node) => node.dbsize()))
  return sizes.reduce((sum, size) => sum + size, 0)
}

const users = Array.from({ length: 500 }, (_, i) => `shop:v1::user:${i}`)

test('a pattern finds and removes keys on every node', async () => {
  await store(users, Date.now() * 1000)
  const listed: string[] = []
  for await (const key of invalidation.keys('user:1?')) listed.push(key)
  expect(listed.length).toBe(10)
  expect((await invalidation.deletePattern('user:1*')).removed).toBe(111)
  expect((await invalidation.deletePattern('user')).removed).toBe(389)
  expect(await count()).toBe(0)
})

test('a deep clear kills on every node at once, and sweeps what is its own', async () => {
  const now = Date.now() * 1000
  await store([...users, 'shop:v1:known::a', 'shop:v1:unknown::a', 'shop:v2::a'], now - 1_000_000)
  for (const key of ['shop:v1:known::counter', 'shop:v1:unknown::counter', 'shop:v1:x', 'bull:q']) {
    await client.set(key, 5)
  }
  const child = createStampBook({ connection, namespace: 'shop:v1:known', ttlMs: 60_000 })
  expect(await invalidation.clear({ deep: true, wait: true })).toBe(true)
  const old = { loadedAt: now - 1_000_000, tags: [], seen: [] }
  expect([book.verdict(old), child.verdict(old)]).toEqual(['dead', 'dead'])
  // What is written now has seen the stamp, which lies ahead of it by the skew.
  const seen = child.seen([]) ?? []
  await child.learnBase()
  expect(child.verdict({ loadedAt: Date.now() * 1000, tags: [], seen })).toBe('alive')
  // The stamp, and what is not ours to sweep.
  expect(await count()).toBe(5)
  for (const key of ['shop:v2::a', 'shop:v1:unknown::counter', 'shop:v1:x', 'bull:q']) {
    expect(await client.exists(key)).toBe(1)
  }
  child.close()
})

test('a tag dies by its stamp within the skew of clocks, and lives if the writer had seen it', async () => {
  expect(await invalidation.invalidateTags(['t'])).toBe(true)
  const stamp = Number(await client.get('corral:stamp:{shop:v1}:t'))
  await book.learn(['t'])
  const at = (loadedAt: number, seen: number[] = []) =>
    book.verdict({ loadedAt, tags: ['t'], seen: [book.seen([])?.[0] ?? 0, ...seen] })
  expect([at(stamp + 249_000), at(stamp + 249_000, [stamp])]).toEqual(['dead', 'alive'])
  expect(at(stamp + 251_000)).toBe('alive')
})
