import type { Ttl, Cache } from '@corral/core'
import { cacheManager } from '@corral/core/default'
import type { CacheClient } from '../client.ts'
import { lazyClient } from './lazy-client.ts'

export { closeDefaults, configureDefaults, type DefaultsOptions } from '@corral/core/default'

const children = new WeakMap<Cache, Map<string, Cache>>()

/** The part of the default cache that a client has for itself. */
function childOf(name: string): Cache {
  const parent = cacheManager.cache
  const known = children.get(parent) ?? new Map<string, Cache>()
  children.set(parent, known)
  const child = known.get(name) ?? parent.child(name)
  known.set(name, child)
  return child
}

/**
 * Clients for zero set-up, on the cache of `@corral/core/default`: what `configureDefaults` was given,
 * else `REDIS_URL` and `BULLMQ_PREFIX`. Nothing is opened before the first call: functions memoized,
 * limiters and stores may be made at the top of a module. Reading `cache` or `flags` counts as a call.
 */
export const defaultCacheClient: CacheClient = lazyClient(() => cacheManager.cache)

/** In a namespace of its own; keys of the form `<what>:<user id>` die with `deleteUserCache(<user id>)`. */
export const userCacheClient: CacheClient = lazyClient(() => childOf('user'), { userOf: true })

/** In a namespace of its own, for answers of other services. */
export const apiCacheClient: CacheClient = lazyClient(() => childOf('api'))

/** In a namespace of its own, for sessions. */
export const sessionCacheClient: CacheClient = lazyClient(() => childOf('session'))

/** As `defaultCacheClient.setCacheJson`. */
export function setCacheJson(key: string, value: unknown, ttl?: Ttl): Promise<boolean> {
  return defaultCacheClient.setCacheJson(key, value, ttl)
}

/** As `defaultCacheClient.getCacheJson`. */
export function getCacheJson<T = unknown>(key: string): Promise<T | undefined> {
  return defaultCacheClient.getCacheJson<T>(key)
}

/** As `userCacheClient.setUserCache`. */
export function setUserCache(
  userId: string | number,
  name: string,
  value: unknown,
  ttl?: Ttl,
): Promise<boolean> {
  return userCacheClient.setUserCache(userId, name, value, ttl)
}

/** As `userCacheClient.getUserCache`. */
export function getUserCache<T = unknown>(
  userId: string | number,
  name: string,
): Promise<T | undefined> {
  return userCacheClient.getUserCache<T>(userId, name)
}

/** As `userCacheClient.deleteUserCache`. */
export function deleteUserCache(userId: string | number): Promise<boolean> {
  return userCacheClient.deleteUserCache(userId)
}
