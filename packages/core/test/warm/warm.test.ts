import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCache, isCorralError, type Cache } from '../../src/index.ts'

let server: TestRedis
let clients: Redis[]
let caches: Cache[]
let cache: Cache

/** Another process, as far as Redis can tell. */
function open(): Cache {
  const client = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
  clients.push(client)
  const made = createCache({ connection: client, namespace: 'shop:v1' })
  caches.push(made)
  return made
}

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  await server.command('CONFIG', 'SET', 'maxmemory', '0')
  await server.command('FLUSHALL')
  clients = []
  caches = []
  cache = open()
})
afterEach(async () => {
  await Promise.all(caches.map((each) => each.close()))
  for (const client of clients) client.disconnect()
})

describe('warming', () => {
  it('never stores over what was set while it loaded', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let loading = false
    const warming = cache.warm([
      {
        key: 'k',
        load: async () => {
          loading = true
          await held
          return 'old'
        },
      },
    ])
    await waitFor(() => loading)
    expect(await open().set('k', 'new')).toBe(true)
    release()
    await warming
    expect(await cache.get('k')).toBe('new')
  })

  it('leaves what was deleted while it loaded gone, and tells so', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let loading = false
    const warming = cache.warm([
      {
        key: 'k',
        load: async () => {
          loading = true
          await held
          return 'old'
        },
      },
    ])
    await waitFor(() => loading)
    expect(await open().delete('k')).toBe(true)
    release()
    expect((await warming).failed.map(({ key }) => key)).toEqual(['k'])
    expect(await cache.get('k')).toBeUndefined()
  })

  it('shares its loads with another process that warms the same', async () => {
    const loads: string[] = []
    const entries = Array.from({ length: 20 }, (_, n) => ({
      key: `k${n}`,
      load: async () => {
        loads.push(`k${n}`)
        // Both processes work on the first ones before any of them is done.
        await waitFor(() => loads.length >= 8)
        return n
      },
    }))
    const results = await Promise.all([cache.warm(entries), open().warm(entries)])
    expect(loads).toHaveLength(20)
    expect(new Set(loads).size).toBe(20)
    expect(results.flatMap(({ failed }) => failed)).toEqual([])
    expect(results.reduce((sum, { stored }) => sum + stored, 0)).toBe(20)
    expect(results.reduce((sum, { present }) => sum + present, 0)).toBe(20)
  })

  it('gives each entry its own ttl and tags', async () => {
    await cache.warm([
      { key: 'a', value: 1, ttl: '5m', tags: ['texts'] },
      { key: 'b', value: 2 },
    ])
    expect(await cache.ttl('a')).toBeLessThanOrEqual(300)
    expect(await cache.ttl('b')).toBeGreaterThan(3_000)
    await cache.invalidateTags(['texts'])
    expect(await cache.getMany(['a', 'b'])).toEqual([undefined, 2])
  })

  it('tells that Redis is full, and then loads nothing', async () => {
    await cache.get('connected')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    let loads = 0
    const entry = (n: number): { key: string; load: () => number } => ({
      key: `k${n}`,
      load: () => {
        loads++
        return n
      },
    })
    await waitFor(async () => {
      const { failed } = await cache.warm([entry(0)])
      return isCorralError(failed[0]?.error, 'REDIS_FULL')
    })
    loads = 0
    const { failed } = await cache.warm([1, 2, 3].map(entry))
    expect(failed.map(({ key }) => key)).toEqual(['k1', 'k2', 'k3'])
    for (const { error } of failed) expect(error).toMatchObject({ code: 'REDIS_FULL' })
    expect(loads).toBe(0)
  })

  it('ends with its signal, and its loaders with it', async () => {
    const stop = new AbortController()
    let ended = 0
    const warming = cache.warm(
      [1, 2, 3].map((n) => ({
        key: `k${n}`,
        load: ({ signal }: { signal: AbortSignal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              ended++
              reject(signal.reason as Error)
            })
            if (n === 3) stop.abort(new Error('enough'))
          }),
      })),
      { signal: stop.signal },
    )
    await expect(warming).rejects.toThrow('enough')
    await waitFor(() => ended === 3)
    expect(await cache.getMany(['k1', 'k2', 'k3'])).toEqual([undefined, undefined, undefined])
  })
})
