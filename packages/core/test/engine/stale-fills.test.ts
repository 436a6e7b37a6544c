import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type Cache } from '../../src/index.ts'

let server: TestRedis
let here: Cache
let there: Cache
const clients: Redis[] = []

function open(): Cache {
  const client = new Redis(server.port, server.host, { socketTimeout: 15_000 })
  clients.push(client)
  return createCache({ connection: client, namespace: 'shop:v1', near: {} })
}

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await server.command('FLUSHALL')
  here = open()
  there = open()
  await Promise.all([here.get('warm-up'), there.get('warm-up')])
  await here.connection?.signals.whenOn(5_000)
  await there.connection?.signals.whenOn(5_000)
})
afterEach(async () => {
  await here.close()
  await there.close()
  for (const client of clients.splice(0)) client.disconnect()
})

const options = { tags: ['t'], ttl: '1m' } as const
const redisKey = 'shop:v1::a:k'

const changes: [string, () => Promise<unknown>, unknown][] = [
  ['a delete here', () => here.delete('a:k'), undefined],
  ['a delete there', () => there.delete('a:k'), undefined],
  ['a set here', () => here.set('a:k', 'set'), 'set'],
  ['a set there', () => there.set('a:k', 'set'), 'set'],
  ['its tag here', () => here.invalidateTags(['t']), undefined],
  ['its tag there', () => there.invalidateTags(['t']), undefined],
  ['clear here', () => here.clear(), undefined],
  ['clear there', () => there.clear({ wait: true }), undefined],
  ['a pattern here', () => here.deletePattern('a:*'), undefined],
  ['a pattern there', () => there.deletePattern('a'), undefined],
  ['a foreign DEL', () => server.command('DEL', redisKey), undefined],
  ['a foreign SET', () => server.command('SET', redisKey, '{"value":"foreign"}'), 'foreign'],
]

describe('an older value is never readable after', () => {
  async function readEverywhere(expected: unknown): Promise<void> {
    expect(await here.get('a:k')).toBe(expected)
    await waitFor(async () => (await there.get('a:k')) === expected)
    for (let i = 0; i < 5; i++) {
      expect([await here.get('a:k'), await there.get('a:k')]).toEqual([expected, expected])
    }
  }

  it.each(changes)('%s, while it was being loaded', async (_name, change, after) => {
    let bring!: (value: string) => void
    const load = vi.fn(() => new Promise<string>((resolve) => (bring = resolve)))
    const call = here.getOrSet('a:k', load, options)
    await waitFor(() => load.mock.calls.length === 1)
    await change()
    bring('older than the change')
    expect(await call).toBe('older than the change')
    await readEverywhere(after)
    expect(await here.getOrSet('a:k', () => 'new', options)).toBe(after ?? 'new')
  })

  it.each(changes)('%s, while it was being refreshed', async (_name, change, after) => {
    const policy = { ...options, ttl: 0.05, staleWhileRevalidate: '1m' } as const
    await here.set('a:k', 'stale', policy)
    await waitFor(async () => !(await here.has('a:k')))
    let bring!: (value: string) => void
    const load = vi.fn(() => new Promise<string>((resolve) => (bring = resolve)))
    expect(await here.getOrSet('a:k', load, policy)).toBe('stale')
    await waitFor(() => load.mock.calls.length === 1)
    await change()
    bring('older than the change')
    await waitFor(async () => (await here.stats()).loads === 1)
    expect((await here.stats()).refreshes).toBe(1)
    await readEverywhere(after)
  })

  it.each(changes)('%s, when it was cached in both processes', async (name, change, after) => {
    await here.set('a:k', 'older than the change', options)
    for (const cache of [here, there]) {
      await waitFor(async () => (await cache.get('a:k'), cache.peek('a:k') !== undefined))
    }
    await change()
    // The process that changed it knows at once, the others when they are told.
    const atOnce = name.endsWith(' here') ? here : undefined
    expect(atOnce === undefined ? after : await atOnce.get('a:k')).toBe(after)
    await waitFor(async () => (await here.get('a:k')) === after)
    await readEverywhere(after)
  })
})

describe('commands', () => {
  it('a near hit asks nobody, and cannot be changed by who got it', async () => {
    await here.set('k', { list: [1] })
    await waitFor(async () => (await here.get('k'), here.peek('k') !== undefined))
    const before = await here.stats()
    const value = await here.getOrSet<{ list: number[] }>('k', () => ({ list: [2] }))
    expect(() => value.list.push(3)).toThrow(TypeError)
    expect(here.peek('k')).toEqual({ list: [1] })
    expect(await here.get('k')).toEqual({ list: [1] })
    const after = await here.stats()
    expect(after.nearHits - before.nearHits).toBe(3)
    expect(after.nearEntries).toBe(1)
    expect(here.peek('absent')).toBeUndefined()
  })
})
