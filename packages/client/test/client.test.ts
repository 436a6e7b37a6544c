import { shareConnection } from '@corral/connection'
import { createCache, type Cache } from '@corral/core'
import { monitor, startRedis, type TestRedis, waitFor } from '@corral/testing'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CacheClient, createCacheClient } from '../src/index.ts'

let server: TestRedis
let client: Redis
let cache: Cache
let corral: CacheClient

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 100,
  })
  client.on('error', () => {})
  cache = createCache({ connection: client, namespace: 'app' })
  corral = createCacheClient({ cache, userOf: true })
  await waitFor(() => cache.set('warm', 1))
})
afterEach(async () => {
  corral.close()
  await cache.close()
  client.disconnect()
})

/** Another process's view of the same data. */
function elsewhere(): { readonly client: CacheClient; close(): Promise<void> } {
  const redis = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
  const own = createCache({ connection: redis, namespace: 'app' })
  const made = createCacheClient({ cache: own, userOf: true })
  return {
    client: made,
    async close() {
      made.close()
      await own.close()
      redis.disconnect()
    },
  }
}

describe('the client on a real Redis', () => {
  it('sets and gets a thousand keys in a few commands', async () => {
    const entries = Array.from({ length: 1_000 }, (_, n) => ({
      key: `user:${n}`,
      value: { n },
      ttl: 60 + n,
    }))
    const watch = await monitor(server)
    expect(await corral.bulkSet(entries)).toEqual({ ok: true, done: 1_000, failed: [] })
    const keys = [...entries.map(({ key }) => key).toReversed(), 'none']
    const values = await corral.bulkGet<{ n: number }>(keys)
    const sent = (await watch.commands()).filter(({ name }) =>
      /^(EVALSHA|EVAL|MGET|GET|SET)$/.test(name),
    )
    await watch[Symbol.asyncDispose]()
    expect(values.slice(0, 1_000).map((value) => value?.n)).toEqual(
      [...Array(1_000).keys()].toReversed(),
    )
    expect(values[1_000]).toBeUndefined()
    expect(sent.length).toBeLessThan(40)
    for (const n of [0, 500, 999]) {
      const ttl = await cache.ttl(`user:${n}`)
      expect(ttl).toBeLessThanOrEqual(60 + n)
      expect(ttl).toBeGreaterThan(50 + n)
    }
  })

  it('forgets a user everywhere in one command, however much there is', async () => {
    const other = elsewhere()
    try {
      const names = Array.from({ length: 200 }, (_, n) => `part-${n}`)
      await Promise.all(names.map((name) => corral.setUserCache('1', name, name)))
      await corral.setUserCache('1:admin', 'part-0', 'kept')
      expect(await other.client.getUserCache('1', 'part-7')).toBe('part-7')
      const load = vi.fn(async () => 'profile')
      await other.client.memoize('profile:1', load, 3_600)
      const watch = await monitor(server)
      expect(await corral.deleteUserCache('1')).toBe(true)
      const sent = (await watch.commands()).filter(
        ({ name }) => !/^(PING|TIME|ECHO|INFO)$/.test(name),
      )
      await watch[Symbol.asyncDispose]()
      expect(sent.length).toBeLessThanOrEqual(2)
      expect(await corral.getUserCache('1', 'part-7')).toBeUndefined()
      await waitFor(async () => (await other.client.getUserCache('1', 'part-7')) === undefined)
      await other.client.memoize('profile:1', load, 3_600)
      expect(load).toHaveBeenCalledTimes(2)
      expect(await other.client.getUserCache('1:admin', 'part-0')).toBe('kept')
    } finally {
      await other.close()
    }
  })

  it('forgets what was memoized for a user, whatever the id is made of, and for no other', async () => {
    const ids = [
      1,
      '1',
      '1:admin',
      '10',
      '*',
      '1*',
      '[1]',
      '{1}',
      '?',
      'ü',
      '日本',
      '%31',
      'x'.repeat(500),
    ]
    const other = elsewhere()
    try {
      const asked: (string | number)[] = []
      const orders = (of: CacheClient) =>
        of.memoize(
          async (page: number, id: string | number) => {
            asked.push(id)
            return page
          },
          { name: 'orders', userOf: (_page, id) => id },
        )
      const [here, there] = [orders(corral), orders(other.client)]
      await Promise.all(ids.map((id) => here(1, id)))
      for (const gone of ids) {
        const before = asked.length
        expect(await other.client.deleteUserCache(gone)).toBe(true)
        for (const id of ids) await there(1, id)
        expect(asked.slice(before)).toEqual(ids.filter((id) => String(id) === String(gone)))
      }
    } finally {
      await other.close()
    }
  })

  it('loads once across processes for what is memoized', async () => {
    const other = elsewhere()
    try {
      const load = vi.fn(async () => {
        await waitFor(() => true)
        return { at: 1 }
      })
      const all = await Promise.all(
        [corral, other.client].flatMap((each) =>
          [1, 2, 3].map(() => each.memoize('slow', load, 60)),
        ),
      )
      expect(all).toEqual(Array.from({ length: 6 }, () => ({ at: 1 })))
      expect(load).toHaveBeenCalledTimes(1)
    } finally {
      await other.close()
    }
  })

  it('carries limits, sessions and flags beside the cache, and clear() leaves them', async () => {
    await corral.incrementRateLimit('api', 60, 5)
    const { id } = await corral.createSession({ a: 1 }, { userId: '1' })
    await corral.setFeatureFlag('new_ui', true)
    await corral.setCacheJson('config', { theme: 'dark' }, 3_600)
    await cache.clear({ wait: true })
    expect(await corral.getCacheJson('config')).toBeUndefined()
    expect((await corral.incrementRateLimit('api', 60, 5)).count).toBe(2)
    expect(await corral.getSession(id)).toEqual({ a: 1 })
    expect(await corral.getFeatureFlag('new_ui')).toBe(true)
    expect((await corral.healthCheck()).status).toBe('ok')
  })

  it('rides on the connection of a queue, and leaves it open', async () => {
    const queue = new Queue('mail', { connection: { host: server.host, port: server.port } })
    const own = createCache({ connection: queue, namespace: 'mail' })
    const made = createCacheClient({ cache: own })
    expect((await made.incrementRateLimit('k', 60, 1)).allowed).toBe(true)
    made.close()
    await own.close()
    await queue.add('job', {})
    expect(await queue.count()).toBe(1)
    await queue.close()
  })

  it('counts over one connection that several share', async () => {
    const connection = shareConnection(client)
    const limiter = corral.rateLimiter({ algorithm: 'gcra', limit: 3, window: '1h', name: 'x' })
    const second = createCacheClient({ cache: createCache({ connection, namespace: 'app' }) })
    const same = second.rateLimiter({ algorithm: 'gcra', limit: 3, window: '1h', name: 'x' })
    const results = await Promise.all(
      [limiter, same, limiter, same].map((each) => each.consume('u')),
    )
    expect(results.filter(({ allowed }) => allowed).length).toBe(3)
    await second.cache.close()
    await connection.close()
  })
})
