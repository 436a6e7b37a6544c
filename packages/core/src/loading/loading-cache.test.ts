import { fakeClock, type FakeClock } from '@corral/testing'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type Cache } from '../cache.ts'
import { createLoadingCache, type LoadingCache, type LoadingStore } from './loading-cache.ts'
import type { LoadingOptions } from './loading-options.ts'

interface User {
  id: string
  name: string
  since?: Date
}

let clock: FakeClock
let cache: Cache
let patterns: string[]

beforeEach(() => {
  clock = fakeClock()
  cache = createCache({ namespace: 'shop:v1', clock })
  patterns = []
})

function loading(options: Partial<LoadingOptions<User>>): LoadingCache<User> {
  const store: LoadingStore = {
    ...cache,
    async deletePattern(pattern) {
      patterns.push(pattern)
      return cache.deletePattern(pattern)
    },
  }
  const load = async (id: string): Promise<User> => ({ id, name: `User ${id}` })
  return createLoadingCache<User>(store, { prefix: 'user:', load, ...options })
}

describe('a loading cache', () => {
  it('loads what is missing, once', async () => {
    const load = vi.fn(async (id: string): Promise<User> => ({ id, name: 'Ada' }))
    const users = loading({ load })
    expect(await Promise.all([users.get('1'), users.get('1')])).toEqual([
      { id: '1', name: 'Ada' },
      { id: '1', name: 'Ada' },
    ])
    expect(await users.get('1')).toEqual({ id: '1', name: 'Ada' })
    expect(load).toHaveBeenCalledTimes(1)
    expect(load.mock.calls[0]?.[0]).toBe('1')
    expect(await cache.get('user:1')).toEqual({ id: '1', name: 'Ada' })
  })

  it('puts a colon behind its prefix, and clears by it', async () => {
    const users = loading({ prefix: 'user' })
    await users.get('1')
    expect(users.prefix).toBe('user:')
    expect(await cache.has('user:1')).toBe(true)
    await cache.set('users', 1)
    expect(await users.clear()).toBe(1)
    expect(patterns).toEqual(['user:*'])
    expect(await cache.has('users')).toBe(true)
  })

  it('loads again after its ttl', async () => {
    const load = vi.fn(async (id: string): Promise<User> => ({ id, name: 'Ada' }))
    const users = loading({ load, ttl: '1h' })
    await users.get('1')
    await clock.advance(3_599_000)
    await users.get('1')
    expect(load).toHaveBeenCalledTimes(1)
    await clock.advance(1_000)
    await users.get('1')
    expect(load).toHaveBeenCalledTimes(2)
    await users.set('2', { id: '2', name: 'Bob' })
    expect(await cache.ttl('user:2')).toBe(3_600)
    await users.set('2', { id: '2', name: 'Bob' }, '5m')
    expect(await cache.ttl('user:2')).toBe(300)
  })

  it("leaves what expired deleted where it is told to: onExpiry 'delete'", async () => {
    const load = vi.fn(async (id: string): Promise<User> => ({ id, name: 'Ada' }))
    const users = loading({ load, ttl: '1m', onExpiry: 'delete' })
    expect(await users.get('1')).toBeUndefined()
    expect(await users.set('1', { id: '1', name: 'Ada' })).toBe(true)
    expect(await users.get('1')).toEqual({ id: '1', name: 'Ada' })
    await clock.advance(60_000)
    expect(await users.get('1')).toBeUndefined()
    expect(load).not.toHaveBeenCalled()
    const guests = loading({ onExpiry: 'delete', defaultValue: { id: '0', name: 'Guest' } })
    expect(await guests.get('9')).toEqual({ id: '0', name: 'Guest' })
  })

  it('gives what its loader set and did not return, as later readers will get it', async () => {
    const since = new Date('2025-01-01T00:00:00Z')
    const users: LoadingCache<User> = loading({
      async load(id) {
        await users.set(id, { id, name: 'set by the loader', since })
      },
    })
    const expected = { id: '1', name: 'set by the loader', since: since.toISOString() }
    expect(await Promise.all([users.get('1'), users.get('1')])).toEqual([expected, expected])
    expect(await cache.get('user:1')).toEqual(expected)
    expect(await users.get('1')).toEqual(expected)
  })

  it('does not take what was set for another id, or before', async () => {
    const users: LoadingCache<User> = loading({
      async load(id) {
        if (id === '1') await users.set('2', { id: '2', name: 'another' })
      },
    })
    expect(await users.get('1')).toBeUndefined()
    expect(await users.get('2')).toEqual({ id: '2', name: 'another' })
    await users.delete('2')
    expect(await users.get('2')).toBeUndefined()
  })

  it('rejects with what the loader throws, or gives the default', async () => {
    const load = async (): Promise<User> => {
      throw new Error('no such user')
    }
    await expect(loading({ load }).get('1')).rejects.toThrow('no such user')
    const guest = { id: '0', name: 'Guest' }
    expect(await loading({ load, defaultValue: guest }).get('1')).toBe(guest)
    expect(await cache.has('user:1')).toBe(false)
    expect(await loading({ load: () => undefined, defaultValue: guest }).get('1')).toBe(guest)
    expect(await loading({ load: () => undefined }).get('1')).toBeUndefined()
  })

  it('gives no default to a caller who has left', async () => {
    const stop = new AbortController()
    const users = loading({
      load: () => new Promise<User>(() => undefined),
      defaultValue: { id: '0', name: 'Guest' },
    })
    const got = users.get('1', { signal: stop.signal })
    stop.abort(new Error('left'))
    await expect(got).rejects.toThrow('left')
  })

  it('stores only what its filter lets pass, and hands the rest out', async () => {
    const users = loading({ filter: ({ name }) => name !== 'User 2' })
    expect(await users.get('1')).toBeDefined()
    expect(await users.get('2')).toEqual({ id: '2', name: 'User 2' })
    expect(await cache.has('user:1')).toBe(true)
    expect(await cache.has('user:2')).toBe(false)
    expect(await users.set('3', { id: '3', name: 'User 2' })).toBe(false)
    expect(await cache.has('user:3')).toBe(false)
    const setting: LoadingCache<User> = loading({
      filter: () => false,
      async load(id) {
        await setting.set(id, { id, name: 'refused' })
      },
    })
    expect(await setting.get('4')).toEqual({ id: '4', name: 'refused' })
    expect(await cache.has('user:4')).toBe(false)
  })

  it('stores what transform makes of a value', async () => {
    const users = loading({ transform: ({ id, name }) => ({ id, name: name.toUpperCase() }) })
    expect(await users.get('1')).toEqual({ id: '1', name: 'USER 1' })
    await users.set('2', { id: '2', name: 'Bob' })
    expect(await users.get('2')).toEqual({ id: '2', name: 'BOB' })
  })

  it.each([
    ['encode', 'a b{c}', 'a b{c}'],
    ['replace', 'a b{c}%\n', 'a_b_c___'],
    [(id: string): string => id.toLowerCase(), 'ADA', 'ada'],
  ] as const)('sanitizes ids: %s', async (sanitize, id, key) => {
    const load = vi.fn(async (_id: string): Promise<User> => ({ id: '1', name: 'Ada' }))
    const users = loading({ sanitize, load })
    await users.get(id)
    expect(load.mock.calls[0]?.[0]).toBe(id)
    expect(await cache.has(`user:${key}`)).toBe(true)
    expect(await users.delete(id)).toBe(true)
    expect(await cache.has(`user:${key}`)).toBe(false)
  })

  it('says what it does, without values', async () => {
    const lines: string[] = []
    const users = loading({ verbose: (line) => lines.push(line) })
    await users.get('1')
    await users.set('1', { id: '1', name: 'secret' })
    await users.delete('1')
    await users.clear()
    expect(lines).toEqual([
      'corral: loads shop:v1::user:1',
      'corral: stores shop:v1::user:1',
      'corral: deletes shop:v1::user:1',
      'corral: clears shop:v1::user:',
    ])
    const debug = vi.spyOn(console, 'debug').mockImplementation(() => undefined)
    await loading({ verbose: true }).get('2')
    expect(debug).toHaveBeenCalledWith('corral: loads shop:v1::user:2')
    debug.mockRestore()
  })

  it.each([
    [{ prefix: '' }, /^prefix: /],
    [{ prefix: 'user:*' }, /^prefix: /],
    [{ load: undefined }, /^load: /],
    [{ onExpiry: 'keep' }, /^onExpiry: /],
    [{ filter: true }, /^filter: /],
    [{ transform: 1 }, /^transform: /],
    [{ sanitize: 'none' }, /^sanitize: /],
    [{ verbose: 'yes' }, /^verbose: /],
    [{ grace: 500 }, /^grace: .*did you mean '500ms'/],
    [{ tries: 0 }, /^tries: /],
    [{ ttl: '5' }, /^ttl: /],
  ])('refuses the options %j', (options, message) => {
    expect(() => loading(options as never)).toThrow(message)
  })

  it('refuses ids that are no strings', async () => {
    await expect(loading({}).get(undefined as never)).rejects.toThrow(/^id: /)
    await expect(loading({}).set(1 as never, { id: '1', name: '' })).rejects.toThrow(/^id: /)
  })

  it('makes grace and tries the waiting of a lease', async () => {
    const getOrSet = vi.fn(async () => undefined)
    const store = { ...cache, getOrSet, deletePattern: async () => 0 } as unknown as LoadingStore
    const load = (): undefined => undefined
    await createLoadingCache(store, { prefix: 'a', load, grace: '100ms', tries: 5 }).get('1')
    expect(getOrSet.mock.lastCall?.at(2)).toMatchObject({
      lease: { wait: 0.1, attempts: 5, onTimeout: 'throw' },
    })
    await createLoadingCache(store, { prefix: 'a', load, tries: 2 }).get('1')
    expect(getOrSet.mock.lastCall?.at(2)).toMatchObject({ lease: { wait: 0.15, attempts: 2 } })
    await createLoadingCache(store, { prefix: 'a', load }).get('1')
    expect(getOrSet.mock.lastCall?.at(2)).not.toHaveProperty('lease')
  })
})
