import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Connection, shareConnection } from '../../src/index.ts'
import { setScript } from '../../src/scripts/plain-writes.ts'

let server: TestRedis
let client: Redis
let connection: Connection

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url, { socketTimeout: 15_000 })
  connection = shareConnection(client, { deadline: '5s' })
})

afterAll(async () => {
  await connection?.close()
  client?.disconnect()
  await server?.stop()
})

test('sets of one tick tell nobody anything when all were carried out', async () => {
  const told = await Promise.all([
    connection.set('a', '1', { ttlMs: 60_000 }),
    connection.set('b', '2'),
  ])
  expect(told).toEqual([undefined, undefined])
  expect(await client.mget('a', 'b')).toEqual(['1', '2'])
  expect(await client.pttl('a')).toBeGreaterThan(0)
  expect(await client.pttl('b')).toBe(-1)
})

test('one that Redis refuses fails alone, wherever it stands in the script', async () => {
  for (const bad of [0, 1, 2]) {
    const outcomes = await Promise.allSettled(
      [0, 1, 2].map((i) =>
        connection.scriptEach(setScript, `${bad}:${i}`, ['v', i === bad ? 'never' : 1000]),
      ),
    )
    expect(outcomes.map(({ status }, i) => [i, status])).toEqual(
      [0, 1, 2].map((i) => [i, i === bad ? 'rejected' : 'fulfilled']),
    )
    expect(await client.exists(...[0, 1, 2].map((i) => `${bad}:${i}`))).toBe(2)
  }
})
