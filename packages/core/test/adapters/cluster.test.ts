import { shareConnection } from '@corral/connection'
import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Cluster } from 'ioredis'
import type { Keyv } from 'keyv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asCacheManager } from '../../src/adapters/cache-manager/index.ts'
import { createKeyv } from '../../src/adapters/keyv/index.ts'
import { createCache } from '../../src/index.ts'

let server: TestRedis
let client: Cluster
let keyv: Keyv

beforeAll(async () => {
  server = await startRedis({ mode: 'cluster' })
  client = new Cluster([{ host: server.host, port: server.port }])
  client.on('error', () => {})
  // The first handle decides for all on this client: a busy machine shall not decide the outcome.
  const connection = shareConnection(client, { deadline: '5s' })
  keyv = createKeyv({ connection, namespace: 'shop' })
  await connection.close()
  await waitFor(() => keyv.set('warm', 1), { timeout: 30_000, what: 'the cluster' })
  await keyv.delete('warm')
}, 120_000)

afterAll(async () => {
  await keyv.disconnect()
  client.disconnect()
  await server.stop()
})

describe('on a cluster', () => {
  it('Keyv reads, lists, deletes and clears over all slots', async () => {
    const keys = Array.from({ length: 300 }, (_, index) => `user:${index}`)
    const entries = keys.map((key, value) => ({ key, value, ttl: 60_000 }))
    expect(await keyv.setMany(entries)).toEqual(keys.map(() => true))
    expect(await keyv.getMany(keys)).toEqual([...keys.keys()])
    const found = new Set<string>()
    for await (const [key] of keyv.iterator?.(undefined) ?? []) found.add(key)
    expect(found).toEqual(new Set(keys))
    expect(await keyv.delete(keys.slice(0, 100))).toBe(true)
    expect((await keyv.getMany(keys)).filter((value) => value !== undefined)).toHaveLength(200)
    await keyv.clear()
    expect((await keyv.getMany(keys)).every((value) => value === undefined)).toBe(true)
  })

  it('asCacheManager wraps, tells ttl and clears', async () => {
    const cache = asCacheManager(createCache({ connection: client, namespace: 'shop' }))
    expect(await cache.wrap('a', () => 1, 60_000)).toBe(1)
    expect(Math.abs(((await cache.ttl('a')) ?? 0) - Date.now() - 60_000)).toBeLessThan(2_000)
    expect(await keyv.get('a')).toBe(1)
    await cache.mset(Array.from({ length: 50 }, (_, value) => ({ key: `k${value}`, value })))
    expect(await cache.clear()).toBe(true)
    expect(await cache.mget(['a', 'k1', 'k49'])).toEqual([undefined, undefined, undefined])
    await cache.disconnect()
  })
})
