import type { Cache } from '@corral/core'
import { type CacheClient, createCacheClient } from '../client.ts'
import {
  type ConcurrencyOptions,
  isConcurrency,
  type RateLimiterOptions,
} from '../limits/options.ts'
import { createMemoize, type Memoize } from '../memoize/memoize.ts'
import { type CacheClientOptions, resolveUserOf } from '../options.ts'
import { lazyConcurrencyLimiter, lazyRateLimiter } from './lazy-limiters.ts'
import { lazySessionStore } from './lazy-session-store.ts'

/** What gives no promise, or more than one. */
type Special = 'cache' | 'flags' | 'memoize' | 'rateLimiter' | 'sessionStore' | 'close'

/** Calls that give a promise, and so can open the cache when they are made. */
const CALLS: Readonly<Record<Exclude<keyof CacheClient, Special>, true>> = {
  bulkDelete: true,
  bulkGet: true,
  bulkSet: true,
  createSession: true,
  decrement: true,
  deleteSession: true,
  deleteUserCache: true,
  deleteUserSession: true,
  deleteUserSessions: true,
  getCacheJson: true,
  getFeatureFlag: true,
  getSession: true,
  getUserCache: true,
  healthCheck: true,
  increment: true,
  incrementRateLimit: true,
  listUserSessions: true,
  rotateSession: true,
  setCacheJson: true,
  setFeatureFlag: true,
  setSession: true,
  setUserCache: true,
  touchSession: true,
  warmCache: true,
}

/**
 * A client that is made with its first call, and made anew when its cache was closed since. Calls
 * that give a promise reject when it cannot be made; so do those of what it makes: memoized functions,
 * limiters and stores may stand at the top of a module. Reading `cache` or `flags` opens it.
 *
 * @param cacheOf opens the cache, or gives the one that is open
 */
export function lazyClient(
  cacheOf: () => Cache,
  options: Omit<CacheClientOptions, 'cache'> = {},
): CacheClient {
  let made: CacheClient | undefined

  function current(): CacheClient {
    const cache = cacheOf()
    if (made?.cache !== cache) {
      made?.close()
      made = createCacheClient({ ...options, cache })
    }
    return made
  }

  /** What the client of the moment makes, once for each client. */
  function lazily<T>(make: (client: CacheClient) => T): () => T {
    let of: CacheClient | undefined
    let thing: T
    return () => {
      const client = current()
      if (of !== client) {
        thing = make(client)
        of = client
      }
      return thing
    }
  }

  const memoizeCalls = createMemoize(() => current().cache, resolveUserOf(options.userOf))
  const memoize = ((...args: [never, never, never]) =>
    typeof args[0] === 'function'
      ? memoizeCalls(...args)
      : (async () => memoizeCalls(...args))()) as Memoize

  function rateLimiter(given: ConcurrencyOptions | RateLimiterOptions): unknown {
    return isConcurrency(given)
      ? lazyConcurrencyLimiter(
          lazily((client) => client.rateLimiter(given)),
          given,
        )
      : lazyRateLimiter(
          lazily((client) => client.rateLimiter(given)),
          given,
        )
  }

  const calls = Object.keys(CALLS).map((name) => [
    name,
    async (...args: unknown[]) =>
      (current()[name as keyof typeof CALLS] as (...given: unknown[]) => unknown)(...args),
  ])
  const client = Object.assign(Object.fromEntries(calls) as Pick<CacheClient, keyof typeof CALLS>, {
    memoize,
    rateLimiter: rateLimiter as CacheClient['rateLimiter'],
    sessionStore: (given: Parameters<CacheClient['sessionStore']>[0] = {}) =>
      lazySessionStore(
        lazily((each) => each.sessionStore()),
        given.Store,
      ),
    close() {
      made?.close()
      made = undefined
    },
  })
  // Not enumerable: who prints the client or writes it as JSON must not open it.
  return Object.defineProperties(client, {
    cache: { get: () => current().cache },
    flags: { get: () => current().flags },
  }) as CacheClient
}
