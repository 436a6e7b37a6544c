import { startRedis, type TestRedis } from '@corral/testing'
import KeyvRedis, { createKeyv } from '@keyv/redis'
import { Redis } from 'ioredis'
import type { Keyv } from 'keyv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeEntry, encodeEntry, leaseText, type DecodedEntry } from '../../src/protocol/index.ts'
import { runScript, serverNow } from './run-script.ts'
import { leaseScript, writeScript } from './protocol.ts'

const values: readonly unknown[] = [
  'text',
  ':colon',
  '::two',
  '',
  null,
  0,
  false,
  { a: [1, ':x', { b: null }] },
  Buffer.from('bytes'),
  { nested: Buffer.from('bytes') },
]

describe('a Keyv 5 with its Redis store on the same namespace', () => {
  let server: TestRedis
  let redis: Redis
  let keyv: Keyv
  let deadline: number
  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
    keyv = createKeyv(server.url, { namespace: 'shop' })
    deadline = (await serverNow(redis)) + 60_000
  })
  afterAll(async () => {
    await keyv.disconnect()
    redis.disconnect()
    await server.stop()
  })

  test.each(values)('reads what we write, and we read what it writes: %j', async (value) => {
    const key = 'shop::k'
    const tail = encodeEntry({
      redisKey: key,
      value,
      tags: [':t'],
      staleMs: 5,
      costMs: 7,
      seen: [1, 2],
    }) as string
    const operations = [{ op: 'set', key, ttlMs: 60_000, tail }] as const
    await runScript(redis, writeScript, { deadline, operations })
    expect(await keyv.get('k')).toEqual(value)
    expect(await keyv.getMany(['k'])).toEqual([value])

    await keyv.set('k', value, 60_000)
    const decoded = decodeEntry((await redis.get(key)) as string, key) as DecodedEntry
    expect(decoded.value).toEqual(value)
    expect(decoded.expires).toBeGreaterThan(Date.now() + 50_000)
  })

  test('sees a lease as a miss and leaves it alone; its set and delete break it', async () => {
    const key = 'shop::leased'
    for (const breakIt of [() => keyv.set('leased', 'theirs'), () => keyv.delete('leased')]) {
      await redis.del(key)
      const request = { keys: [key], deadline, token: 'me', ttlMs: 60_000 }
      const [held] = await runScript(redis, leaseScript, request)
      const at = held?.status === 'held' ? held.at : 0
      expect(await keyv.get('leased')).toBeUndefined()
      expect(await keyv.getMany(['leased'])).toEqual([undefined])
      expect(await redis.get(key)).toBe(leaseText('me', at))

      await breakIt()
      const fill = {
        op: 'fill',
        key,
        identity: leaseText('me', at),
        ttlMs: 60_000,
        at,
        tail: encodeEntry({ redisKey: key, value: 'ours' }) as string,
      } as const
      const { outcomes } = await runScript(redis, writeScript, { deadline, operations: [fill] })
      expect(outcomes).toEqual(['lost'])
      expect(await keyv.get('leased')).not.toBe('ours')
    }
  })

  test('sees a value of a codec as a miss', async () => {
    const key = 'shop::coded'
    const tail = encodeEntry({
      redisKey: key,
      value: undefined,
      encoded: { codec: 'm', data: 'gA==' },
    })
    const operations = [{ op: 'set', key, ttlMs: 60_000, tail: tail as string }] as const
    await runScript(redis, writeScript, { deadline, operations })
    expect(await keyv.get('coded')).toBeUndefined()
    expect(keyv.store).toBeInstanceOf(KeyvRedis)
  })
})
