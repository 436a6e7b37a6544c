import type { Cache } from '../../cache-interface.ts'
import type { Load } from '../../engine/load.ts'
import type { Ttl } from '../../entry/ttl.ts'
import type { GetOrSetOptions, SetOptions } from '../../policy.ts'
import { CacheManager } from './cache-manager.ts'

/** The default cache. Nothing is opened before its first call. */
export const cacheManager: CacheManager = new CacheManager()

/** The value at `key` in the default cache, or `undefined`. */
export function cacheGet<T = unknown>(key: string): Promise<T | undefined> {
  return cacheManager.get<T>(key)
}

/** Stores a value in the default cache; a bare number is seconds. True when Redis has it. */
export function cacheSet(key: string, value: unknown, ttl?: Ttl | SetOptions): Promise<boolean> {
  return cacheManager.set(key, value, ttl)
}

/** Removes a key from the default cache. True: it is known to be gone, also if it was absent. */
export function cacheDel(key: string): Promise<boolean> {
  return cacheManager.del(key)
}

/** The value at `key` in the default cache, or what `load` brings, which is then stored. */
export const cacheGetOrSet: Cache['getOrSet'] = (
  key: string,
  load: Load<unknown>,
  ttl?: Ttl | GetOrSetOptions,
): Promise<never> => cacheManager.getOrSet(key, load, ttl) as Promise<never>
