import { Keyv } from 'keyv'
import { systemClock } from '@corral/connection'
import type { Cache } from '../../cache.ts'
import type { Ttl } from '../../entry/ttl.ts'

/** A stored value as Keyv hands it around when nothing has to be serialised. */
interface Stored {
  readonly value: unknown
  readonly expires?: number
}

/** A time to live of cache-manager: milliseconds, 0 for no end, undefined for the cache's own. */
export function ttlOf(ms: number | undefined): { readonly ttl?: Ttl } {
  if (ms === undefined) return {}
  return { ttl: ms === 0 || ms === Infinity ? 'forever' : ms / 1_000 }
}

/** When an entry ends, in epoch milliseconds; undefined if it does not. */
export async function endOf(cache: Cache, key: string): Promise<number | undefined> {
  const seconds = await cache.ttl(key)
  if (seconds === undefined || seconds === Infinity) return undefined
  return Math.round(systemClock.wallNow() + seconds * 1_000)
}

/**
 * Stores as cache-manager means it: undefined is no value, and a time in the past is none either, so
 * that nothing is to be read afterwards.
 */
export async function storeIn(
  cache: Cache,
  key: string,
  value: unknown,
  ttlMs: number | undefined,
): Promise<boolean> {
  if (value === undefined || (ttlMs !== undefined && ttlMs < 0)) return cache.delete(key)
  return cache.set(key, value, ttlOf(ttlMs))
}

/** A Keyv on a Corral cache, for those who want cache-manager's `stores`, such as Nest's module. */
export function createCacheKeyv(cache: Cache, ttlMs: number | undefined): Keyv {
  async function read(key: string): Promise<Stored | undefined> {
    const [value, expires] = await Promise.all([cache.get(key), endOf(cache, key)])
    if (value === undefined) return undefined
    return expires === undefined ? { value } : { value, expires }
  }

  const store = {
    opts: { dialect: 'redis' },
    namespace: undefined,
    get: read,
    getMany: (keys: readonly string[]) => Promise.all(keys.map(read)),
    set: async (key: string, stored: Stored, ttl?: number) =>
      storeIn(cache, key, stored.value, ttl),
    setMany: async (
      entries: readonly { readonly key: string; readonly value: Stored; readonly ttl?: number }[],
    ) => Promise.all(entries.map(({ key, value, ttl }) => storeIn(cache, key, value.value, ttl))),
    has: (key: string) => cache.has(key),
    async delete(key: string): Promise<boolean> {
      const was = await cache.has(key)
      return (await cache.delete(key)) && was
    },
    async clear(): Promise<void> {
      await cache.clear()
    },
    disconnect: () => cache.close(),
  }
  const keyv = new Keyv({ store, useKeyPrefix: false, ...(ttlMs !== undefined && { ttl: ttlMs }) })
  // The cache does it: twice would make texts of values.
  keyv.serialize = undefined
  keyv.deserialize = undefined
  return keyv
}
