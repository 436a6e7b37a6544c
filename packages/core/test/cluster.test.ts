import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCache, type Cache } from '../src/index.ts'

let server: TestRedis
let client: Cluster
let cache: Cache

beforeAll(async () => {
  server = await startRedis({ mode: 'cluster' })
  client = new Cluster([{ host: server.host, port: server.port }])
  client.on('error', () => {})
  cache = createCache({ connection: client, namespace: 'shop:v1' })
  await waitFor(() => cache.set('warm', 1), { timeout: 30_000, what: 'the cluster' })
}, 120_000)

afterAll(async () => {
  await cache.close()
  client.disconnect()
  await server.stop()
})

describe('on a cluster of six nodes', () => {
  it('sets, reads and deletes 1,000 keys over all slots', async () => {
    const keys = Array.from({ length: 1_000 }, (_, index) => `user:${index}`)
    expect(await cache.setMany(keys.map((key, value) => ({ key, value })))).toEqual(
      keys.map(() => true),
    )
    expect(await cache.getMany(keys)).toEqual([...keys.keys()])
    expect(await Promise.all(keys.map((key) => cache.get(key)))).toEqual([...keys.keys()])
    expect(await cache.deleteMany(keys)).toEqual(keys.map(() => true))
    expect((await cache.getMany(keys)).every((value) => value === undefined)).toBe(true)
    expect((await cache.stats()).errors).toBe(0)
  })

  it('fills what it loads', async () => {
    expect(await cache.getOrSet('a', () => 1)).toBe(1)
    expect(await cache.get('a')).toBe(1)
    expect(await cache.ttl('a')).toBeGreaterThan(3_590)
  })
})
