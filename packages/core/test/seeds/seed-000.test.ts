import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCache, isCorralError, type Cache, type LoadingCache } from '../../src/index.ts'

/** "Distributed Systems Cache", in Corral's API: the names differ, and little more. */

interface UserProfile {
  id: number
  name: string
  email: string
  lastLogin: Date
}

let server: TestRedis
let client: Redis
let cache: Cache
let userProfileCache: LoadingCache<UserProfile>
let sourceCalls: string[]
let log: string[]
/** Simulate network latency. */
let latency: () => Promise<void>

async function fetchUserProfileFromSource(userId: string): Promise<UserProfile> {
  sourceCalls.push(userId)
  await latency()
  if (userId === 'user_not_found') throw new Error('User not found in source')
  return {
    id: parseInt(userId.split('_')[1] ?? '', 10),
    name: `User ${userId}`,
    email: `${userId}@example.com`,
    lastLogin: new Date(),
  }
}

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})

beforeEach(async () => {
  await server.command('FLUSHALL')
  sourceCalls = []
  log = []
  latency = async () => undefined
  client = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
  cache = createCache({ connection: client, namespace: 'shop:v1' })
  userProfileCache = cache.loading<UserProfile>({
    prefix: 'userprofile:', // REQUIRED: Unique prefix for this cache type
    ttl: '1h', // Cache entries expire after 1 hour
    verbose: (line) => log.push(line),

    // Define how to fetch and cache data when it's missing or stale
    load: async (userId) => {
      try {
        const userProfileData = await fetchUserProfileFromSource(userId)
        // Use the instance's set method to store the fetched data
        await userProfileCache.set(userId, userProfileData)
      } catch (error) {
        log.push(`Failed to populate cache for user ${userId}: ${String(error)}`)
      }
    },
  })
})
afterEach(async () => {
  await cache.close()
  client.disconnect()
})

const raw = async (key: string): Promise<unknown> => server.command('GET', key)

describe('the user profile cache of seed 000', () => {
  it('populates on a miss, by a populator that sets and returns nothing', async () => {
    const first = await userProfileCache.get('user_123')
    expect(first).toEqual({
      id: 123,
      name: 'User user_123',
      email: 'user_123@example.com',
      lastLogin: expect.any(String),
    })
    expect(await userProfileCache.get('user_123')).toEqual(first)
    expect(sourceCalls).toEqual(['user_123'])
    expect(await userProfileCache.get('user_456')).toMatchObject({ id: 456 })
    expect(sourceCalls).toEqual(['user_123', 'user_456'])
    expect(await raw('shop:v1::userprofile:user_123')).toContain('"User user_123"')
    expect(await cache.ttl('userprofile:user_123')).toBeGreaterThan(3_590)
    expect(log).toContain('corral: loads shop:v1::userprofile:user_123')
  })

  it('runs one populator for callers that come together, in two processes', async () => {
    const other = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
    const second = createCache({ connection: other, namespace: 'shop:v1' })
    const elsewhere: LoadingCache<UserProfile> = second.loading<UserProfile>({
      prefix: 'userprofile:',
      ttl: '1h',
      load: async (userId) => {
        await elsewhere.set(userId, await fetchUserProfileFromSource(userId))
      },
    })
    try {
      let answer = (): void => undefined
      const pending = new Promise<void>((resolve) => {
        answer = resolve
      })
      latency = () => pending
      const mine = Array.from({ length: 20 }, () => userProfileCache.get('user_7'))
      await waitFor(() => sourceCalls.length === 1)
      const theirs = Array.from({ length: 20 }, () => elsewhere.get('user_7'))
      await waitFor(async () => (await second.stats()).coalesced === 19)
      answer()
      const profiles = await Promise.all([...mine, ...theirs])
      expect(new Set(profiles.map((profile) => profile?.id))).toEqual(new Set([7]))
      expect(sourceCalls).toEqual(['user_7'])
    } finally {
      await second.close()
      other.disconnect()
    }
  })

  it('gives undefined when the populator failed, and the default where there is one', async () => {
    expect(await userProfileCache.get('user_not_found')).toBeUndefined()
    expect(log).toContain(
      'Failed to populate cache for user user_not_found: Error: User not found in source',
    )
    const guest = { id: 0, name: 'Guest', email: '', lastLogin: new Date(0) }
    const withDefault = cache.loading<UserProfile>({
      prefix: 'userprofile:',
      load: fetchUserProfileFromSource,
      defaultValue: guest,
    })
    expect(await withDefault.get('user_not_found')).toBe(guest)
    const critical = cache.loading<UserProfile>({
      prefix: 'userprofile:',
      load: fetchUserProfileFromSource,
    })
    await expect(critical.get('user_not_found')).rejects.toThrow('User not found in source')
  })

  it('only deletes on expiry where it is told to', async () => {
    const sessions = cache.loading<string>({
      prefix: 'session:',
      ttl: '150ms',
      load: () => 'never asked',
      onExpiry: 'delete',
    })
    expect(await sessions.get('1')).toBeUndefined()
    await sessions.set('1', 'here')
    expect(await sessions.get('1')).toBe('here')
    await waitFor(async () => (await server.command('EXISTS', 'shop:v1::session:1')) === 0)
    expect(await sessions.get('1')).toBeUndefined()
  })

  it('waits for others in tries of a grace time, and then gives up', async () => {
    let release = (): void => undefined
    const blocked = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow = cache.loading<string>({
      prefix: 'slow:',
      load: async () => {
        await blocked
        return 'late'
      },
    })
    const loading = slow.get('1')
    await waitFor(async () => (await server.command('EXISTS', 'shop:v1::slow:1')) === 1)

    const other = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
    const second = createCache({ connection: other, namespace: 'shop:v1' })
    const options = { prefix: 'slow:', load: () => 'mine', grace: '50ms', tries: 2 } as const
    try {
      const waited = second.loading<string>(options).get('1')
      await expect(waited).rejects.toSatisfy((error) => isCorralError(error, 'LEASE_TIMEOUT'))
      const patient = second.loading<string>({ ...options, defaultValue: 'default' })
      expect(await patient.get('1')).toBe('default')
      release()
      expect(await loading).toBe('late')
      expect(await second.loading<string>(options).get('1')).toBe('late')
    } finally {
      release()
      await second.close()
      other.disconnect()
    }
  })

  it('filters what is stored, and sanitizes ids', async () => {
    const adults = cache.loading<{ name: string; age: number }>({
      prefix: 'adult:',
      load: (id) => ({ name: id, age: id === 'old one' ? 40 : 4 }),
      filter: ({ age }) => age >= 18,
      sanitize: 'replace',
    })
    expect(await adults.get('old one')).toEqual({ name: 'old one', age: 40 })
    expect(await adults.get('young one')).toEqual({ name: 'young one', age: 4 })
    expect(await server.command('EXISTS', 'shop:v1::adult:old_one')).toBe(1)
    expect(await server.command('EXISTS', 'shop:v1::adult:young_one')).toBe(0)
  })

  it('sets by hand, clears one and clears all of its kind', async () => {
    const current = await userProfileCache.get('user_123')
    await userProfileCache.set('user_123', {
      id: current?.id ?? 0,
      name: 'Ada',
      email: 'ada@example.com',
      lastLogin: new Date(),
    })
    expect(await userProfileCache.get('user_123')).toMatchObject({ id: 123, name: 'Ada' })
    expect(await userProfileCache.delete('user_123')).toBe(true)
    expect(await raw('shop:v1::userprofile:user_123')).toBeNull()

    await userProfileCache.get('user_1')
    await userProfileCache.get('user_2')
    await cache.set('userprofiles', 'another kind')
    expect(await userProfileCache.clear()).toBe(2)
    expect(await raw('shop:v1::userprofile:user_1')).toBeNull()
    expect(await cache.get('userprofiles')).toBe('another kind')
  })
})
