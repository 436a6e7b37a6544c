import { randomUUID } from 'node:crypto'
import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCachePeers } from '../src/peers/index.ts'
import { openRedlock, openSesamecare, TUNED } from '../src/peers/lock-peers.ts'
import { openRateLimiterFlexible } from '../src/peers/rate-limiter-flexible.ts'

// A peer that quietly answers from memory, or not at all, would make every comparison worthless.

let server: TestRedis
const clients: Redis[] = []

function client(): Redis {
  const redis = new Redis(server.url)
  clients.push(redis)
  return redis
}

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  for (const redis of clients) redis.disconnect()
  await server?.stop()
})

test('every cache stores in Redis what it was given, and reads it from there', async () => {
  const peers = await openCachePeers(server.url, client)
  expect(peers.map(({ name }) => name)).toHaveLength(6)
  for (const peer of peers) {
    // TEST_REDIS_URL may name a server with other things in it.
    const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((key) => `${key}:${randomUUID()}`) as [
      string,
      string,
      string,
      string,
      string,
    ]
    const values = [
      { id: 1, name: 'Ada' },
      { id: 2, name: 'Bob' },
    ]
    const keysBefore = Number(await server.command('DBSIZE'))
    await peer.seed([a, b], values)
    expect(await server.command('DBSIZE'), peer.name).toBeGreaterThanOrEqual(keysBefore + 2)
    expect(await peer.get(a), peer.name).toEqual(values[0])
    expect(await peer.get(b), peer.name).toEqual(values[1])

    const before = await reads()
    await peer.get(a)
    expect(await reads(), `${peer.name} asks Redis`).toBeGreaterThan(before)

    await peer.set?.(c, { id: 3 })
    await peer.setMany?.([d, e], [{ id: 4 }, { id: 5 }])
    const many = await peer.getMany?.([a, b])
    expect(peer.set === undefined ? { id: 3 } : await peer.get(c), peer.name).toEqual({ id: 3 })
    expect(peer.setMany === undefined ? { id: 5 } : await peer.get(e), peer.name).toEqual({
      id: 5,
    })
    expect(JSON.stringify(many ?? values), peer.name).toContain('Bob')
    await peer.close()
  }
})

/** How often keys were looked up in Redis so far. */
async function reads(): Promise<number> {
  const stats = String(await server.command('INFO', 'stats'))
  return Number(/keyspace_hits:(\d+)/.exec(stats)?.[1])
}

test('rate-limiter-flexible refuses the call after the last', async () => {
  const limiter = await openRateLimiterFlexible({ calls: 2, windowSeconds: 60 }, client)
  const key = randomUUID()
  const allowed = [
    await limiter.consume(key),
    await limiter.consume(key),
    await limiter.consume(key),
  ]
  expect(allowed).toEqual([true, true, false])
  await limiter.close()
})

describe.each([openRedlock, openSesamecare])('%O', (open) => {
  test('hands a lock to one holder at a time', async () => {
    const locks = open(client(), TUNED)
    const job = randomUUID()
    const first = await locks.acquire([job], 10_000)
    const order: string[] = []
    const second = locks.acquire([job], 10_000).then((lock) => {
      order.push('second')
      return lock.release()
    })
    order.push('first')
    await first.release()
    await second
    expect(order).toEqual(['first', 'second'])
  })
})
