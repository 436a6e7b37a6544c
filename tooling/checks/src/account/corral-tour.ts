import { createAuthCache } from '@corral/auth-cache'
import { createCacheClient } from '@corral/client'
import { shareConnection, type Connection } from '@corral/connection'
import { createCache, type Cache } from '@corral/core'
import { createLocks, createRedisFence } from '@corral/locks'
import { createFleetTotals } from '@corral/metrics'
import type { Redis } from 'ioredis'

const namespace = 'shop:v1'

/** A cache and all that it can do but structures. */
export async function tourCache(client: Redis): Promise<void> {
  const connection = shareConnection(client)
  const cache = createCache({ connection, namespace, ttl: '1m', near: { maxEntries: 100 } })
  try {
    await walkCache(cache, connection)
  } finally {
    await cache.close()
    await connection.close()
  }
}

async function walkCache(cache: Cache, connection: Connection): Promise<void> {
  await cache.get('first')
  await connection.signals.whenOn(5_000)
  await cache.set('a', 1, { ttl: '1m', tags: ['t'] })
  await cache.setMany([
    { key: 'b', value: { deep: ['x'] } },
    { key: 'c', value: null },
  ])
  await cache.getMany(['a', 'b', 'none'])
  await cache.getOrSet('d', () => 'loaded', { staleWhileRevalidate: '1m', tags: ['t'] })
  await cache.getOrSet('d', () => 'again', { forceFresh: true })
  await cache.getOrSetMany(['d', 'e'], (keys) => keys.map((key) => `of ${key}`))
  await Promise.all([1, 2].map(() => cache.getOrSet('f', () => Promise.resolve('shared'))))
  await cache.has('a')
  await cache.ttl('a')
  await cache.expire('a', '5m')
  await cache.expire('b', 'forever')
  await cache.increment('count', 2)
  await cache.decrement('count')
  await cache.expire('count', 'forever')
  await cache.set('count-2', 5)
  await cache.increment('count-2')
  for await (const key of cache.keys('*')) await cache.peek(key)
  await cache.warm([{ key: 'g', value: 'warm' }])
  const child = cache.child('profiles')
  await child.set('a', 1)
  await child.clear({ wait: true })
  await cache.delete('a')
  await cache.deleteMany(['b', 'c'])
  await cache.deletePattern('count*')
  await cache.invalidateTags(['t'])
  await cache.get('d')
  await cache.clear({ deep: true, wait: true })
  await cache.stats()
  await cache.health()
}

/** What else Corral can do: structures, locks, limits, sessions, flags, tokens, totals. */
export async function tourTheRest(client: Redis): Promise<void> {
  const connection = shareConnection(client)
  const cache = createCache({ connection, namespace })
  try {
    await walkStructures(cache)
    await walkLocks(connection)
    await walkClient(cache)
    await walkTokens(cache)
    const totals = createFleetTotals({ cache, connection })
    await cache.get('a')
    await totals.flush()
    await totals.read()
    await totals.close()
  } finally {
    await cache.close()
    await connection.close()
  }
}

async function walkStructures(cache: Cache): Promise<void> {
  const hash = cache.asHash<number>('hash')
  await hash.hset({ a: 1, b: 2 })
  await hash.hincrby('a')
  await Promise.all([hash.hget('a'), hash.hgetall(), hash.hexists('a'), hash.hlen(), hash.hkeys()])
  await hash.hdel('a')
  const list = cache.asList<number>('list')
  await list.rpush(1, 2, 3)
  await list.lpush(0)
  await Promise.all([list.lrange(), list.llen()])
  await list.lpop()
  await list.rpop()
  await list.ltrim(0, 1)
  const set = cache.asSet<string>('set')
  await set.sadd('a', 'b')
  await Promise.all([set.smembers(), set.sismember('a'), set.scard()])
  await set.srem('a')
}

async function walkLocks(connection: Connection): Promise<void> {
  const locks = createLocks({ connection, namespace })
  const first = await locks.acquire('invoice')
  const waiting = locks.acquire('invoice', { wait: '10s' })
  await locks.inspect('invoice')
  await first.extend('1m')
  await first.release()
  await (await waiting).release()
  for (const kind of [locks.fair('line'), locks.semaphore('places', 2)])
    await kind.using(async () => void (await kind.inspect()))
  const page = locks.readWrite('page')
  await page.usingRead(async () => void (await page.tryWrite()))
  await page.usingWrite(async () => undefined)
  await (await locks.acquireMany(['x', 'y'])).release()
  const held = await locks.acquire('left')
  await locks.list()
  await locks.release('left', held.token)
  await locks.forceRelease('left')
  const fence = createRedisFence({ connection, namespace })
  await locks.using('fenced', async ({ fencingToken }) => {
    await fence.read('data', fencingToken)
    await fence.write('data', 'text', fencingToken)
  })
  await fence.close()
  await locks.close()
}

async function walkClient(cache: Cache): Promise<void> {
  const client = createCacheClient({ cache, userOf: true })
  const rules = ['fixed-window', 'sliding-window', 'sliding-log', 'token-bucket', 'gcra'] as const
  for (const algorithm of rules) {
    const limiter = client.rateLimiter({ name: algorithm, algorithm, limit: 2, window: '1m' })
    await limiter.consume('1')
    await limiter.peek('1')
    await limiter.reset('1')
  }
  const places = client.rateLimiter({ name: 'places', algorithm: 'concurrency', limit: 2 })
  await places.using('1', () => places.count('1'))
  await client.incrementRateLimit('api', 60, 10)
  const session = await client.createSession({ cart: [] }, { userId: '1' })
  await client.getSession(session.id)
  await client.setSession(session.id, { cart: ['tea'] })
  await client.touchSession(session.id)
  const rotated = await client.rotateSession(session.id)
  await client.listUserSessions('1')
  if (rotated !== undefined) await client.deleteSession(rotated.id)
  await client.deleteUserSessions('1')
  await client.setFeatureFlag('new-ui', { percentage: 25 })
  await client.getFeatureFlag('new-ui', false, { targetingKey: '1' })
  await client.memoize('profile:1', () => Promise.resolve('Ada'), '1m')
  await client.setUserCache('1', 'theme', 'dark')
  await client.getUserCache('1', 'theme')
  await client.deleteUserCache('1')
  await client.healthCheck()
  client.close()
}

async function walkTokens(cache: Cache): Promise<void> {
  const auth = createAuthCache({ cache })
  await auth.authenticate('token', () => ({ userId: '1' }))
  await auth.setToken('another', { userId: '1' })
  await auth.getToken('another')
  await auth.clearToken('another')
  await auth.set('1', { user: {}, userTenants: [] })
  await auth.get('1')
  await auth.clear('1')
  await auth.revokeToken('token')
  await auth.revokeUser('1')
  await auth.revokeAll()
  await auth.close()
}
