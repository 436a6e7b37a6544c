import { EventEmitter, once } from 'node:events'
import { inspect } from 'node:util'
import { createCache, type Cache } from '@corral/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CacheClient, createCacheClient } from '../client.ts'
import { lazyClient } from './lazy-client.ts'

let cache: Cache | undefined
const open = vi.fn((): Cache => (cache ??= createCache({ namespace: 'app' })))
let client: CacheClient

beforeEach(() => {
  open.mockClear()
  client = lazyClient(open, { userOf: true })
})
afterEach(async () => {
  client.close()
  await cache?.close()
  cache = undefined
})

describe('a client that is made with its first call', () => {
  it('opens nothing for what is made at the top of a module', async () => {
    const load = vi.fn(async (id: string) => ({ id }))
    const profile = client.memoize(load, { name: 'profile' })
    const limiter = client.rateLimiter({ algorithm: 'gcra', limit: 1, window: '1m', name: 'api' })
    const places = client.rateLimiter({ algorithm: 'concurrency', limit: 1 })
    const store = client.sessionStore({ Store: EventEmitter })
    expect(profile.keyFor('1')).toBe('profile:"1"')
    expect([limiter.name, places.name]).toEqual(['api', 'concurrency-1'])
    limiter.close()
    expect(open).not.toHaveBeenCalled()

    expect(await profile('1')).toEqual({ id: '1' })
    expect(open).toHaveBeenCalled()
    await profile('1')
    expect(load).toHaveBeenCalledTimes(1)
    await client.deleteUserCache('1')
    await profile('1')
    expect(load).toHaveBeenCalledTimes(2)
    await profile.fresh('1')
    await profile.invalidate('1')
    await profile('1')
    expect(load).toHaveBeenCalledTimes(4)
    expect((await limiter.consume('u')).allowed).toBe(true)
    const result = await limiter.consume('u')
    expect(result.allowed).toBe(false)
    expect(limiter.headers(result)).toMatchObject({ 'ratelimit-policy': '"api";q=1;w=60' })
    expect((await limiter.peek('u')).allowed).toBe(false)
    await limiter.reset('u')
    expect((await limiter.consume('u')).allowed).toBe(true)
    expect(await places.using('j', () => places.count('j'))).toBe(1)
    expect((await places.acquire('j')).allowed).toBe(true)
    // One limiter, whoever asks for it.
    const again = client.rateLimiter({ algorithm: 'concurrency', limit: 1 })
    expect((await again.acquire('j')).allowed).toBe(false)
    expect(store).toBeInstanceOf(EventEmitter)
  })

  it('opens nothing, and rejects nothing, when it is printed, awaited or written as JSON', async () => {
    const awaited = (await Promise.resolve(client)) === client
    expect(awaited).toBe(true)
    expect(() => JSON.stringify({ client })).not.toThrow()
    expect(inspect(client, { depth: 5, getters: true })).toContain('getSession')
    expect({ ...client }).not.toHaveProperty('cache')
    for (const name of ['then', 'toJSON', 'asymmetricMatch', 'nodeType', '$$typeof', 'inspect']) {
      expect([name, Reflect.get(client, name)]).toEqual([name, undefined])
    }
    expect(open).not.toHaveBeenCalled()
  })

  it('has all that a client has', () => {
    const whole = createCacheClient({ cache: open() })
    for (const name of Object.keys(whole)) expect(client).toHaveProperty(name)
    whole.close()
  })

  it('refuses wrong options at once', () => {
    expect(() => client.memoize(async () => 1)).toThrow(/^name: /)
    expect(() => client.rateLimiter(undefined as never)).toThrow(/^rateLimiter options: /)
    expect(() => client.rateLimiter({ algorithm: 'gcra' } as never)).toThrow(/^limit: /)
    expect(() => lazyClient(open, { userOf: 5 as never })).toThrow(/^userOf: /)
    expect(open).not.toHaveBeenCalled()
  })

  it('rejects where it cannot be opened, and works when it can', async () => {
    const profile = client.memoize(async (id: string) => id, { name: 'profile' })
    const limiter = client.rateLimiter({ algorithm: 'gcra', limit: 1, window: '1m' })
    const store = client.sessionStore()
    open.mockImplementation(() => {
      throw new TypeError('REDIS_URL: is missing')
    })
    for (const call of [
      () => profile('1'),
      () => client.memoize('k', () => 1),
      () => limiter.consume('u'),
      () => client.getCacheJson('k'),
    ]) {
      await expect(call()).rejects.toThrow('REDIS_URL')
    }
    const told = new EventEmitter()
    store.get('sid', (error) => void told.emit('told', error))
    expect(String(await once(told, 'told'))).toContain('REDIS_URL')
    open.mockImplementation(() => (cache ??= createCache({ namespace: 'app' })))
    expect(await profile('1')).toBe('1')
    expect((await limiter.consume('u')).allowed).toBe(true)
  })

  it('goes on with another cache when its own was closed', async () => {
    const limiter = client.rateLimiter({ algorithm: 'concurrency', limit: 1 })
    const profile = client.memoize(async (id: string) => id, { name: 'profile' })
    await limiter.acquire('j')
    await profile('1')
    await cache?.close()
    cache = undefined
    expect(await profile('1')).toBe('1')
    expect((await limiter.acquire('j')).allowed).toBe(true)
  })
})
