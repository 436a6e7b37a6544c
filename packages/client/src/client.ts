import type { EventEmitter } from 'node:events'
import type { Connection, ConnectionHealth } from '@corral/connection'
import type { Cache, Ttl } from '@corral/core'
import { type Bulk, createBulk } from './bulk/bulk.ts'
import type { ClientBase } from './client-base.ts'
import type { FlagContext } from './flags/condition.ts'
import type { Widened } from './flags/evaluate.ts'
import type { FlagInput } from './flags/flag-definition.ts'
import { createFlags, type Flags } from './flags/flags.ts'
import type { ConcurrencyLimiter } from './limits/concurrency-limiter.ts'
import { createIncrementRateLimit, type IncrementRateLimit } from './limits/increment-rate-limit.ts'
import { createKeptLimiters } from './limits/kept-limiters.ts'
import type { ConcurrencyOptions, RateLimiterOptions } from './limits/options.ts'
import type { RateLimiter } from './limits/rate-limiter.ts'
import { createMemoize, type Memoize } from './memoize/memoize.ts'
import { type CacheClientOptions, resolveClientOptions } from './options.ts'
import {
  createSessionStore,
  type SessionStore,
  type SessionStoreOptions,
} from './sessions/session-store.ts'
import { createSessions, type Sessions } from './sessions/sessions.ts'
import { createUserCache, type UserCache } from './users/user-cache.ts'

/** The uses of a cache, each with the guarantees of what it is made of. */
export interface CacheClient extends Sessions, Bulk, UserCache {
  readonly cache: Cache
  readonly memoize: Memoize
  /** Stores a value as JSON; `false` when Redis did not take it. */
  setCacheJson(key: string, value: unknown, ttl?: Ttl): Promise<boolean>
  /** The value, or `undefined`. */
  getCacheJson<T = unknown>(key: string): Promise<T | undefined>
  readonly incrementRateLimit: IncrementRateLimit
  /**
   * A limiter; the same one, with what it holds, for the same options. The 1,000 asked for last are
   * kept; one that is let go, or asked for after `close()`, works on, but asks Redis also about those
   * that it knows to be blocked.
   */
  rateLimiter(options: ConcurrencyOptions): ConcurrencyLimiter
  rateLimiter(options: RateLimiterOptions): RateLimiter
  /** Flags with all that they can do; the two calls below are short for it. */
  readonly flags: Flags
  /** Rejects when Redis did not acknowledge it. */
  setFeatureFlag(name: string, flag: FlagInput): Promise<void>
  /** The flag's value once flags were read, without I/O from then on; `fallback` when it cannot be told. */
  getFeatureFlag(name: string): Promise<boolean>
  getFeatureFlag<T>(name: string, fallback: T, context?: FlagContext): Promise<Widened<T>>
  /**
   * A store for express-session and @fastify/session, on the client's session options.
   *
   * @param options `Store`: express-session's own `session.Store`, which it needs
   */
  sessionStore<Base extends EventEmitter = EventEmitter>(
    options?: Pick<SessionStoreOptions<Base>, 'Store'>,
  ): SessionStore & Base
  /**
   * Adds to a counter of the cache, its ttl set in the same step; rejects when Redis cannot.
   * To limit calls take `incrementRateLimit`.
   */
  increment: Cache['increment']
  decrement: Cache['decrement']
  /** Whether Redis answers, and how fast. Does not reject. */
  healthCheck(): Promise<ConnectionHealth>
  /** Stops listening for flags and resets; the cache stays open. Idempotent. */
  close(): void
}

/** How long the first flag waits for the flags to be read before its caller gets the fallback. */
const FIRST_READ = '1s'

/**
 * Makes a client.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 *
 * @example
 * ```ts
 * import { createCacheClient } from '@corral/client'
 * import { createCache } from '@corral/core'
 *
 * const cache = createCache({ namespace: 'shop:v1' })
 * const client = createCacheClient({ cache })
 * const limit = await client.incrementRateLimit('api:user:1', 60, 100)
 * if (!limit.allowed) throw new Error(`try again in ${limit.retryAfter} s`)
 * client.close()
 * await cache.close()
 * ```
 */
export function createCacheClient(options: CacheClientOptions): CacheClient {
  const { cache, sessions: sessionOptions, userOf } = resolveClientOptions(options)
  const { connection, namespace } = cache
  const base: ClientBase = { connection, namespace }
  const flags = createFlags(base)
  /** The first flags that are asked for wait for it together; later ones do not wait again. */
  let firstWait: Promise<boolean> | undefined
  const limiters = createKeptLimiters(base)
  const sessions =
    connection === undefined
      ? withoutRedis()
      : createSessions({ connection, namespace }, sessionOptions)

  return {
    ...sessions,
    ...createBulk(cache),
    ...createUserCache(cache),
    cache,
    flags,
    memoize: createMemoize(() => cache, userOf),
    setCacheJson: (key, value, ttl) =>
      ttl === undefined ? cache.set(key, value) : cache.set(key, value, ttl),
    getCacheJson: (key) => cache.get(key),
    incrementRateLimit: createIncrementRateLimit(base),
    rateLimiter: limiters.limiter,
    setFeatureFlag: (name, flag) => flags.set(name, flag),
    async getFeatureFlag<T>(name: string, fallback?: T, context?: FlagContext) {
      if (flags.state === 'starting') await (firstWait ??= flags.ready(FIRST_READ))
      const otherwise = fallback === undefined ? false : fallback
      return flags.value(name, otherwise, context) as Widened<T>
    },
    sessionStore: (given = {}) =>
      createSessionStore(
        { connection: needed(connection), namespace },
        { ...sessionOptions, ...given },
      ),
    increment: cache.increment,
    decrement: cache.decrement,
    healthCheck: () => cache.health(),
    close() {
      flags.close()
      limiters.close()
    },
  }
}

function needed(connection: Connection | undefined): Connection {
  if (connection !== undefined) return connection
  throw new TypeError(
    'cache: sessions need one with a connection, received one of this process alone',
  )
}

/** Sessions of a cache without Redis: there are none, and each call says so. */
function withoutRedis(): Sessions {
  const refuse = async (): Promise<never> => needed(undefined) as never
  return {
    createSession: refuse,
    getSession: refuse,
    setSession: refuse,
    touchSession: refuse,
    deleteSession: refuse,
    rotateSession: refuse,
    listUserSessions: refuse,
    deleteUserSession: refuse,
    deleteUserSessions: refuse,
  }
}
