import { EventEmitter } from 'node:events'
import { describeValue } from '@corral/connection'
import type { Cache as CacheManager } from 'cache-manager'
import type { Cache } from '../../cache.ts'
import type { LoadContext } from '../../engine/load.ts'
import { seamOf } from '../../seam.ts'
import { createCacheKeyv, endOf, storeIn, ttlOf } from './cache-keyv.ts'

/** Options of {@link asCacheManager}; times are **milliseconds**. */
export interface AsCacheManagerOptions {
  /** How long an entry lives whose call gives no time; 0 keeps it without end. @defaultValue the cache's `ttl` */
  readonly ttl?: number
  /** `wrap` loads anew, behind the answer, what has less than this to live. @defaultValue none */
  readonly refreshThreshold?: number
  /** What `cacheId()` tells. @defaultValue a random text */
  readonly cacheId?: string
}

type Resolvable = number | ((value: never) => number) | undefined

interface WrapArguments {
  readonly ttl?: Resolvable
  readonly refreshThreshold?: Resolvable
  readonly raw?: boolean
}

interface ListEntry<T> {
  readonly key: string
  readonly value: T
  readonly ttl?: number
}

/** How cache-manager names its first store in events. */
const store = 'primary'

/**
 * cache-manager's calls on a Corral cache, so that code written for cache-manager gets its leases: a
 * `wrap` loads once for all processes, and what a load brings is not stored over a later `set` or `del`.
 * A refresh below `refreshThreshold` runs once for all of them, too; after one that failed, none begins
 * for a second.
 *
 * `disconnect` closes the cache; the connection that it was given stays open.
 *
 * @param cache a cache of `createCache`
 * @throws TypeError naming the option, its rule and what was received
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 * import { asCacheManager } from '@corral/core/cache-manager'
 *
 * const cache = asCacheManager(createCache({ namespace: 'shop:v1' }))
 * await cache.wrap('user:1', async () => ({ name: 'Ada' }), 300_000)
 * await cache.ttl('user:1') // when it ends, in epoch milliseconds
 * await cache.disconnect()
 * ```
 */
export function asCacheManager(cache: Cache, options: AsCacheManagerOptions = {}): CacheManager {
  checkOptions(options)
  const { refreshThreshold, cacheId = Math.random().toString(36).slice(2) } = options
  const events = new EventEmitter()
  const keyv = createCacheKeyv(cache, options.ttl)
  const { keyspace, policy, refreshing } = seamOf(cache)

  /** Runs a call; cache-manager tells an error by the call's own event, and passes it on. */
  async function telling<R>(event: string, told: object, call: () => Promise<R>): Promise<R> {
    try {
      return await call()
    } catch (error) {
      events.emit(event, { ...told, error })
      throw error
    }
  }

  /** As {@link telling}, for reads: what cannot be read is a miss. */
  async function reading<R>(
    event: string,
    told: object,
    call: () => Promise<R>,
    miss: R,
  ): Promise<R> {
    try {
      return await telling(event, told, call)
    } catch {
      return miss
    }
  }

  function tellSet(key: string, value: unknown): void {
    events.emit('set', { key, value, store })
    events.emit('set', { key, value })
  }

  async function get<T>(key: string): Promise<T | undefined> {
    const value = await reading('get', { key, store }, () => cache.get<T>(key), undefined)
    if (value !== undefined) events.emit('get', { key, value, store })
    return value
  }

  async function mget<T>(keys: string[]): Promise<(T | undefined)[]> {
    const none = keys.map(() => undefined)
    const values = await reading('mget', { keys }, () => cache.getMany<T>(keys), none)
    events.emit('mget', { keys, values })
    return values
  }

  async function ttl(key: string): Promise<number | undefined> {
    const expires = await reading('ttl', { key }, () => endOf(cache, key), undefined)
    if (expires !== undefined) events.emit('ttl', { key, value: { expires } })
    return expires
  }

  async function set<T>(key: string, value: T, ttlMs: number | undefined): Promise<T> {
    await telling('set', { key, value }, () => storeIn(cache, key, value, ttlMs ?? options.ttl))
    tellSet(key, value)
    return value
  }

  async function mset<T>(given: ListEntry<T>[]): Promise<ListEntry<T>[]> {
    const list = given.map(({ key, value, ttl: own }) => {
      const ttlMs = own ?? options.ttl
      return { key, value, ...(ttlMs !== undefined && { ttl: ttlMs }) }
    })
    await telling('mset', { list }, () =>
      Promise.all(list.map(({ key, value, ttl: ttlMs }) => storeIn(cache, key, value, ttlMs))),
    )
    events.emit('mset', { list })
    return list
  }

  /** A load that gives its value the time that `wrap` was asked for. */
  function loader<T>(
    load: () => T | Promise<T>,
    ttlOption: Resolvable,
    loaded: (value: T) => void,
  ): (context: LoadContext) => Promise<T> {
    return async (context) => {
      const value = await load()
      const ttlMs = resolve(ttlOption, value) ?? options.ttl
      if (ttlMs !== undefined && ttlMs < 0) context.skip()
      const own = ttlMs === undefined || ttlMs < 0 ? undefined : ttlOf(ttlMs).ttl
      if (own !== undefined) context.setTtl(own)
      loaded(value)
      return value
    }
  }

  async function refresh<T>(
    key: string,
    value: unknown,
    load: () => T | Promise<T>,
    ttlOption: Resolvable,
    withinMs: number,
  ): Promise<void> {
    let fresh: { readonly value: T } | undefined
    const loading = loader(load, ttlOption, (brought) => (fresh = { value: brought }))
    async function tellFailure(context: LoadContext): Promise<T> {
      try {
        return await loading(context)
      } catch (error) {
        events.emit('refresh', { key, value, error })
        throw error
      }
    }
    await refreshing.before(key, keyspace.key(key), tellFailure, policy, withinMs)
    if (fresh === undefined) return
    tellSet(key, fresh.value)
    events.emit('refresh', { key, value: fresh.value })
  }

  async function wrap<T>(
    key: string,
    load: () => T | Promise<T>,
    given?: Resolvable | WrapArguments,
    threshold?: Resolvable,
  ): Promise<unknown> {
    const asked: WrapArguments =
      typeof given === 'object' ? given : { ttl: given, refreshThreshold: threshold }
    let loaded = false
    const loading = loader(load, asked.ttl, () => (loaded = true))
    const value = await cache.getOrSet(key, loading)
    const within = resolve(asked.refreshThreshold, value) ?? refreshThreshold
    if (loaded) tellSet(key, value)
    else if (within !== undefined) {
      // What cannot be read is not loaded anew either.
      refresh(key, value, load, asked.ttl, within).catch(() => undefined)
    }
    if (asked.raw !== true) return value
    const expires = await endOf(cache, key)
    return expires === undefined ? { value } : { value, expires }
  }

  async function del(key: string): Promise<boolean> {
    await telling('del', { key }, () => cache.delete(key))
    events.emit('del', { key })
    return true
  }

  async function mdel(keys: string[]): Promise<boolean> {
    await telling('mdel', { keys }, () => cache.deleteMany(keys))
    events.emit('mdel', { keys })
    return true
  }

  async function clear(): Promise<boolean> {
    try {
      await cache.clear()
    } catch (error) {
      events.emit('clear', error)
      throw error
    }
    events.emit('clear')
    return true
  }

  return {
    get,
    mget,
    ttl,
    set,
    mset,
    del,
    mdel,
    clear,
    wrap: wrap as CacheManager['wrap'],
    on: (event, listener) => events.addListener(event, listener),
    off: (event, listener) => events.removeListener(event, listener),
    async disconnect() {
      await cache.close()
      return undefined
    },
    cacheId: () => cacheId,
    stores: [keyv],
  }
}

function resolve(option: Resolvable, value: unknown): number | undefined {
  return typeof option === 'function' ? option(value as never) : option
}

function checkOptions(options: AsCacheManagerOptions): void {
  for (const name of ['ttl', 'refreshThreshold'] as const) {
    const value = options[name]
    if (value !== undefined && (typeof value !== 'number' || !(value >= 0))) {
      throw new TypeError(
        `${name}: must be a number of milliseconds that is not negative, received ${describeValue(value)}`,
      )
    }
  }
}
