import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCache, type Cache, type CacheOptions } from '../../src/index.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
})

async function withCaches(
  options: Partial<CacheOptions>,
  test: (cache: Cache, other: Cache) => Promise<void>,
): Promise<void> {
  const clients = [1, 2].map(
    () => new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 }),
  )
  const [cache, other] = clients.map((connection) =>
    createCache({ connection, namespace: 'shop:v1', ...options }),
  ) as [Cache, Cache]
  try {
    await test(cache, other)
  } finally {
    await Promise.all([cache.close(), other.close()])
    for (const client of clients) client.disconnect()
  }
}

describe('counters and structures in a cache', () => {
  it('are not served from a near copy that they have made old', () =>
    withCaches({ near: {} }, async (cache, other) => {
      await cache.set('n', 5)
      await waitFor(async () => {
        await cache.get('n')
        return cache.peek('n') === 5
      })
      const counted = cache.increment('n')
      expect(cache.peek('n')).toBeUndefined()
      expect(await counted).toBe(6)
      expect(await cache.get('n')).toBe(6)
      // A counter's text does not say when it ends, so no copy is kept of it.
      await waitFor(async () => (await other.get('n')) === 6)
      expect(other.peek('n')).toBeUndefined()
      await cache.increment('n')
      await waitFor(async () => (await other.get('n')) === 7)
    }))

  it('are not overwritten by a load that began before them', () =>
    withCaches({}, async (cache, other) => {
      let release = (): void => undefined
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      let loading = false
      const load = async (): Promise<number> => {
        loading = true
        await held
        return 1_000
      }
      const loaded = cache.getOrSet('n', load)
      await waitFor(() => loading)
      expect(await other.increment('n')).toBe(1)
      release()
      expect(await loaded).toBe(1_000)
      expect(await cache.get('n')).toBe(1)
    }))

  it('go with clear, and with the patterns that match them', () =>
    withCaches({}, async (cache, other) => {
      const fill = async (): Promise<void> => {
        await cache.increment('n:1')
        await cache.asHash('h:1').hset('a', 1)
        await cache.asList('l:1').rpush(1)
        await cache.asSet('s:1').sadd(1)
      }
      const left = (): Promise<unknown> => server.command('KEYS', 'shop:v1::*')
      await fill()
      await other.clear({ wait: true })
      expect(await left()).toEqual([])
      await fill()
      expect(await other.deletePattern('*:1')).toBe(4)
      expect(await left()).toEqual([])
    }))

  it('have an end that expire moves, and keep out of a child’s way', () =>
    withCaches({ ttl: '10m' }, async (cache, other) => {
      const child = cache.child('profiles')
      await child.increment('n', 5)
      await child.asList('l').rpush(1)
      expect(await other.get('n')).toBeUndefined()
      expect(await other.child('profiles').get('n')).toBe(5)
      expect(await child.ttl('n')).toBeLessThanOrEqual(600)
      expect(await child.expire('n', '1h')).toBe(true)
      expect(await child.ttl('n')).toBeGreaterThan(3_500)
      expect(await child.expire('l', '1h')).toBe(true)
      expect(await server.command('PTTL', 'shop:v1:profiles::l')).toBeGreaterThan(3_500_000)
    }))
})

describe('on a cluster', () => {
  it('counts and keeps structures on all nodes, and begins anew after a clear', async () => {
    const cluster = await startRedis({ mode: 'cluster' })
    const client = new Cluster(
      cluster.nodes.map(({ host, port }) => ({ host, port })),
      { redisOptions: { maxRetriesPerRequest: null } },
    )
    client.on('error', () => undefined)
    const cache = createCache({ connection: client, namespace: 'shop:v1' })
    try {
      const names = Array.from({ length: 50 }, (_, n) => n)
      await Promise.all(names.map((n) => cache.set(`c${n}`, 10)))
      expect(await Promise.all(names.map((n) => cache.increment(`c${n}`, n)))).toEqual(
        names.map((n) => 10 + n),
      )
      await Promise.all(names.map((n) => cache.asList(`l${n}`).rpush(n)))
      expect(await Promise.all(names.map((n) => cache.asList(`l${n}`).lrange()))).toEqual(
        names.map((n) => [n]),
      )
      await Promise.all(names.map((n) => cache.set(`d${n}`, 10)))
      await cache.clear()
      expect(await Promise.all(names.map((n) => cache.increment(`d${n}`)))).toEqual(
        names.map(() => 1),
      )
    } finally {
      await cache.close()
      client.disconnect()
      await cluster.stop()
    }
  })
})
