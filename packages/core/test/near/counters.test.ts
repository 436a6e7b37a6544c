import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Cache, createCache } from '../../src/index.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

/** A cache with copies, on a client of its own. */
function open(namespace: string): AsyncDisposable & { readonly cache: Cache } {
  const client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
  const cache = createCache({ connection: client, namespace, near: {} })
  return {
    cache,
    async [Symbol.asyncDispose]() {
      await cache.close()
      client.disconnect()
    },
  }
}

it('a counter, whose text does not say when it ends, leaves no copy that could outlive it', async () => {
  await using owned = open('n')
  const { cache } = owned
  await cache.set('k', 1)
  // Copies are kept as soon as signals are on.
  await waitFor(async () => (await cache.get('k')) === 1 && cache.peek('k') === 1)
  // What ends is not told before Redis takes it away, which it does not do here by itself.
  await server.command('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
  await cache.increment('calls', 3, { ttl: '200ms' })
  expect(await cache.get('calls')).toBe(3)
  expect(await cache.getMany(['calls', 'k'])).toEqual([3, 1])
  expect(cache.peek('calls')).toBeUndefined()
  await waitFor(async () => (await cache.get('calls')) === undefined)
})

it('tells near hits among all hits, to whoever asks', async () => {
  await using owned = open('hits')
  const { cache } = owned
  await cache.set('k', 1)
  await waitFor(async () => (await cache.get('k')) === 1 && cache.peek('k') === 1)
  const before = cache.counts()
  expect([cache.peek('k'), await cache.get('k')]).toEqual([1, 1])
  expect(await cache.getMany(['k', 'none'])).toEqual([1, undefined])
  const { hits, nearHits, misses } = cache.counts()
  expect(nearHits - before.nearHits).toBe(3)
  expect(hits - before.hits).toBe(3)
  expect(misses - before.misses).toBe(1)
  expect(await cache.stats()).toMatchObject({ hits, nearHits, misses })
})
