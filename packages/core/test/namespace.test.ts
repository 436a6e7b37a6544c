import {
  compilePattern,
  createKeyspace,
  shareConnection,
  type Connection,
} from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import * as fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCache } from '../src/index.ts'

const shop = createKeyspace({ namespace: 'shop:v1' })
const hostile = fc.string({
  unit: fc.constantFrom(
    '*',
    '?',
    '[',
    ']',
    '\\',
    '^',
    '-',
    '{',
    '}',
    ':',
    '%',
    ' ',
    'a',
    'b',
    '𝄞',
    '\n',
  ),
  minLength: 1,
  maxLength: 12,
})

let server: TestRedis
let client: Redis
let connection: Connection

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
  connection = shareConnection(client, { deadline: '5s' })
})

afterAll(async () => {
  await connection.close()
  client.disconnect()
  await server.stop()
})

async function scan(pattern: string): Promise<Set<string>> {
  const found = new Set<string>()
  for await (const page of connection.scan(pattern)) for (const key of page) found.add(key)
  return found
}

/** Every key with its value as Redis serialises it. */
async function dumps(pattern: string): Promise<Map<string, string>> {
  const keys = [...((await server.command('KEYS', pattern)) as string[])].toSorted()
  const dumped = new Map<string, string>()
  for (const key of keys) dumped.set(key, (await client.dumpBuffer(key))?.toString('hex') ?? '')
  return dumped
}

describe('a namespace on a real Redis', () => {
  it('is met whole and alone by the SCAN patterns of any pattern', async () => {
    const outside = [
      'shop:v1:a',
      'shop:v10::a',
      'shop:v2::a',
      'xshop:v1::a',
      'bull:mail:id',
      'a',
      '*',
    ]
    for (const key of outside) await server.command('SET', key, '1')
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(hostile, { minLength: 1, maxLength: 8 }),
        hostile,
        async (keys, text) => {
          const redisKeys = keys.map((key) => shop.key(key.repeat(key.length > 9 ? 30 : 1)))
          for (const redisKey of redisKeys) await client.set(redisKey, '1')
          const pattern = compilePattern(shop, text)
          const found = new Set<string>()
          for (const glob of pattern.scanPatterns)
            for (const key of await scan(glob)) found.add(key)
          for (const key of found) expect(key.startsWith('shop:v1::')).toBe(true)
          for (const redisKey of redisKeys) {
            if (pattern.match(redisKey) === 'no' || redisKey === pattern.exactKey) continue
            expect(found.has(redisKey)).toBe(true)
          }
          await client.unlink(...redisKeys)
        },
      ),
      { numRuns: 300 },
    )
    await server.command('DEL', ...outside)
  })

  it('can be emptied without touching a queue beside it', async () => {
    const queue = new Queue('mail', {
      connection: { host: server.host, port: server.port, maxRetriesPerRequest: null },
    })
    await queue.addBulk(Array.from({ length: 50 }, (_, id) => ({ name: 'send', data: { id } })))
    const before = await dumps('bull:*')
    expect(before.size).toBeGreaterThan(50)

    const cache = createCache({ connection, namespace: 'shop:v1' })
    const keys = fc.sample(fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 300 })), 500)
    await cache.setMany(keys.map((key) => ({ key, value: key })))
    expect(await cache.getMany(keys)).toEqual(keys)
    expect((await scan(compilePattern(shop, '*').scanPatterns[0] ?? '')).size).toBe(
      new Set(keys).size,
    )
    expect((await cache.deleteMany(keys)).every(Boolean)).toBe(true)

    expect(await server.command('KEYS', 'shop:*')).toEqual([])
    expect(await dumps('bull:*')).toEqual(before)
    await cache.close()
    await queue.close()
  })
})
