import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCache, defineKeys, type Cache } from '../../src/index.ts'

/** "Cache Infrastructure" of the chat service: cache-aside, key strategy, structures. */

interface Profile {
  userId: number
  version: number
}

const keys = defineKeys({
  profile: 'profile:user:{userId}',
  presence: 'presence:{userId}',
  typing: 'typing:{conversationId}:{userId}',
  queue: 'queue:{userId}',
  unread: 'unread:{userId}:{conversationId}',
  online: 'online:{conversationId}',
})

let server: TestRedis
let client: Redis
let cache: Cache
let asked: number[][]

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
  asked = []
  client = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
  cache = createCache({ connection: client, namespace: 'chat:v1' })
})
afterEach(async () => {
  await cache.close()
  client.disconnect()
})

async function loadProfilesFromAPI(userIds: number[]): Promise<Profile[]> {
  asked.push(userIds)
  return userIds.map((userId) => ({ userId, version: asked.length }))
}

describe('cache-aside of seed 003', () => {
  it('reads, loads and stores by hand', async () => {
    async function getUser(id: number): Promise<Profile> {
      const key = `user:${id}`
      let user = await cache.get<Profile>(key)
      if (!user) {
        user = (await loadProfilesFromAPI([id]))[0] as Profile
        await cache.set(key, user, 3600) // 1 hour TTL
      }
      return user
    }
    expect(await getUser(1)).toEqual({ userId: 1, version: 1 })
    expect(await getUser(1)).toEqual({ userId: 1, version: 1 })
    expect(asked).toEqual([[1]])
  })

  it('serves stale within the marker’s time, while one refresh runs behind', async () => {
    const getUserProfile = (userId: number): Promise<Profile> =>
      cache.getOrSet(
        keys.profile(userId),
        async () => (await loadProfilesFromAPI([userId]))[0] as Profile,
        { ttl: '100ms', staleWhileRevalidate: '5m' },
      )
    expect(await getUserProfile(1)).toEqual({ userId: 1, version: 1 })
    expect(await getUserProfile(1)).toEqual({ userId: 1, version: 1 })
    expect(asked).toHaveLength(1)
    // From its ttl on it is stale: served at once, and loaded anew behind.
    await waitFor(async () => {
      await getUserProfile(1)
      return asked.length > 1
    })
    await waitFor(async () => (await cache.get<Profile>(keys.profile(1)))?.version === 2)
    const stands = Number(await server.command('PTTL', 'chat:v1::profile:user:1'))
    expect(stands).toBeGreaterThan(290_000)
  })

  it('loads what is missing of a batch with one call', async () => {
    async function getBatchProfiles(userIds: number[]): Promise<(Profile | undefined)[]> {
      return cache.getOrSetMany<Profile>(
        userIds.map((id) => keys.profile(id)),
        async (missingKeys) => {
          const missingIds = missingKeys.map((key) => parseInt(key.split(':')[2] ?? '', 10))
          return await loadProfilesFromAPI(missingIds)
        },
      )
    }
    await cache.set(keys.profile(2), { userId: 2, version: 0 })
    expect(await getBatchProfiles([1, 2, 3])).toEqual([
      { userId: 1, version: 1 },
      { userId: 2, version: 0 },
      { userId: 3, version: 1 },
    ])
    expect(asked).toEqual([[1, 3]])
    expect(await getBatchProfiles([1, 2, 3])).toHaveLength(3)
    expect(asked).toHaveLength(1)
  })

  it('warms, a few at once', async () => {
    const seen: number[] = []
    const result = await cache.warm(
      Array.from({ length: 50 }, (_, userId) => ({
        key: keys.profile(userId),
        load: async () => (await loadProfilesFromAPI([userId]))[0],
        ttl: '24h',
      })),
      { concurrency: 5, onProgress: ({ done }) => seen.push(done) },
    )
    expect(result).toEqual({ stored: 50, present: 0, skipped: 0, failed: [] })
    expect(seen.at(-1)).toBe(50)
    expect(await server.command('EXISTS', 'chat:v1::profile:user:49')).toBe(1)
    const again = await cache.warm([{ key: keys.profile(1), value: { userId: 1, version: -1 } }])
    expect(again).toMatchObject({ stored: 0, present: 1 })
    expect(await cache.get(keys.profile(1))).not.toMatchObject({ version: -1 })
  })

  it('tells by key what could not be warmed, and loads nothing that could not be stored', async () => {
    const broken = new Error('API down')
    const result = await cache.warm([
      { key: 'a', value: 1 },
      {
        key: 'b',
        load: () => {
          throw broken
        },
      },
      { key: 'c', load: () => undefined },
    ])
    expect(result).toEqual({
      stored: 1,
      present: 0,
      skipped: 1,
      failed: [{ key: 'b', error: broken }],
    })
    await server.kill()
    await waitFor(async () => !(await cache.stats()).available)
    let loads = 0
    const away = await cache.warm(
      [1, 2, 3].map((n) => ({
        key: `k${n}`,
        load: () => {
          loads++
          return n
        },
      })),
    )
    expect(away.failed.map(({ key }) => key)).toEqual(['k1', 'k2', 'k3'])
    for (const { error } of away.failed) expect(error).toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await server.restart()
    expect(loads).toBe(0)
  })

  it('invalidates by pattern', async () => {
    await cache.set(keys.profile(1), 1)
    await cache.set(keys.profile(10), 1)
    await cache.set(keys.presence(1), 1)
    expect(await cache.deletePattern('profile:user:*')).toBe(2)
    expect(await cache.has(keys.presence(1))).toBe(true)
  })
})

describe('key strategy of seed 003', () => {
  it('gives the keys of the document, with namespace and version', async () => {
    await cache.set(keys.profile(7), 1, '24h')
    await cache.set(keys.presence(7), 'online', 30)
    await cache.set(keys.typing('c1', 7), true, 5)
    const stored = (await server.command('KEYS', 'chat:v1::*')) as string[]
    expect(stored.toSorted()).toEqual([
      'chat:v1::presence:7',
      'chat:v1::profile:user:7',
      'chat:v1::typing:c1:7',
    ])
    expect(await cache.ttl(keys.typing('c1', 7))).toBeLessThanOrEqual(5)
  })

  it('parses and validates keys, and keeps parts apart', () => {
    expect(keys.typing.parse('typing:c1:7')).toEqual({ conversationId: 'c1', userId: '7' })
    expect(keys.typing.validate('presence:7')).toBe(false)
    expect(keys.typing('a:b', 'c')).not.toBe(keys.typing('a', 'b:c'))
    expect(keys.unread.pattern('7')).toBe('unread:7:*')
  })

  it('keeps versions apart, for migrations', async () => {
    const next = createCache({ connection: client, namespace: 'chat:v2' })
    await cache.set(keys.profile(1), 'old')
    await next.set(keys.profile(1), 'new')
    await cache.clear({ wait: true })
    expect(await cache.get(keys.profile(1))).toBeUndefined()
    expect(await next.get(keys.profile(1))).toBe('new')
    await next.close()
  })

  it('keeps keys under 250 bytes', async () => {
    const long = keys.profile('x'.repeat(1_000))
    await cache.set(long, 'found')
    expect(await cache.get(long)).toBe('found')
    const [stored] = (await server.command('KEYS', '*')) as string[]
    expect(Buffer.byteLength(stored ?? '')).toBeLessThanOrEqual(250)
  })
})

describe('structures of seed 003', () => {
  it('queues messages: a list without end, cleaned by hand', async () => {
    const queue = cache.asList<{ text: string }>(keys.queue(7), { ttl: 'forever' })
    await queue.lpush({ text: 'first' })
    await queue.lpush({ text: 'second' })
    expect(await queue.lrange(0, -1)).toEqual([{ text: 'second' }, { text: 'first' }])
    expect(await server.command('PTTL', 'chat:v1::queue:7')).toBe(-1)
    expect(await queue.rpop()).toEqual({ text: 'first' })
    expect(await cache.delete(keys.queue(7))).toBe(true)
    expect(await queue.llen()).toBe(0)
  })

  it('keeps presence in a hash and members in a set', async () => {
    const presence = cache.asHash<{ device: string }>(keys.presence(7), { ttl: 30 })
    await presence.hset('phone', { device: 'phone' })
    await presence.hset({ laptop: { device: 'laptop' } })
    expect(await presence.hgetall()).toEqual({
      phone: { device: 'phone' },
      laptop: { device: 'laptop' },
    })
    expect(await presence.hdel('phone')).toBe(1)
    const members = cache.asSet<number>(keys.online('c1'))
    expect(await members.sadd(1, 2, 3)).toBe(3)
    expect(await members.srem(2)).toBe(1)
    expect(await members.sismember(1)).toBe(true)
    expect(new Set(await members.smembers())).toEqual(new Set([1, 3]))
  })

  it('counts unread messages', async () => {
    const key = keys.unread(7, 'c1')
    const forever = { ttl: 'forever' } as const
    await Promise.all(Array.from({ length: 10 }, () => cache.increment(key, 1, forever)))
    expect(await cache.get(key)).toBe(10)
    expect(await cache.decrement(key, 4, forever)).toBe(6)
    expect(await cache.ttl(key)).toBe(Infinity)
    await cache.set(key, 0, 'forever')
    expect(await cache.increment(key, 1, forever)).toBe(1)
  })

  it('works in memory as well', async () => {
    const memory = createCache({ namespace: 'chat:v1' })
    const list = memory.asList('k')
    await list.rpush(1, 2)
    expect(await list.lrange()).toEqual([1, 2])
    expect(await memory.get('k')).toBeUndefined()
    await expect(memory.increment('k')).rejects.toMatchObject({ code: 'WRONG_TYPE' })
    expect(await memory.getOrSet('k', () => 'loaded')).toBe('loaded')
    expect(await list.llen()).toBe(2)
    expect(await memory.set('k', 'an entry')).toBe(true)
    await expect(list.rpush(3)).rejects.toMatchObject({ code: 'WRONG_TYPE' })
    expect(await list.lrange()).toEqual([])
    await memory.delete('k')
    await list.rpush(4)
    expect(await memory.ttl('k')).toBeUndefined()
    await memory.clear()
    expect(await list.llen()).toBe(0)
    expect(await memory.increment('n', 5)).toBe(5)
    await memory.close()
  })
})
