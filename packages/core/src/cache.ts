import type { ConnectionHealth } from '@corral/connection'
import { createFailures } from './engine/failures.ts'
import { createGetOrSet, type GetOrSetOptions } from './engine/get-or-set.ts'
import type { Load } from './engine/load.ts'
import { createReads } from './engine/reads.ts'
import { createSingleFlight } from './engine/single-flight.ts'
import { createWrites, type SetEntry, type SetOptions } from './engine/writes.ts'
import type { Ttl } from './entry/ttl.ts'
import type { Jsonify } from './jsonify.ts'
import { resolveCacheOptions, type CacheOptions, type ResolvedCacheOptions } from './options.ts'
import { createCounters, readStats, type CacheStats } from './stats.ts'

/**
 * A cache in one namespace of Redis, or in memory.
 *
 * A miss is `undefined`; `null`, `false`, `0` and `''` are values. Under `onError: 'degrade'` no call
 * rejects because of Redis. Every call rejects with a `TypeError` or `RangeError` for a wrong argument.
 */
export interface Cache {
  readonly namespace: string
  /** The value at `key`, or `undefined`. */
  get<T = unknown>(key: string): Promise<T | undefined>
  /** The values of many keys, in their order. */
  getMany<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]>
  /** Whether `get` would find a value. */
  has(key: string): Promise<boolean>
  /** Seconds that an entry has left; `Infinity` without an end, `undefined` when there is none. */
  ttl(key: string): Promise<number | undefined>
  /**
   * Stores a value, as JSON. True when Redis has it; `undefined` is never stored.
   *
   * @throws CorralError `UNSERIALIZABLE_VALUE`
   */
  set(key: string, value: unknown, ttl?: Ttl | SetOptions): Promise<boolean>
  /** Stores many values; whether each was stored, in their order. */
  setMany(entries: readonly SetEntry[], ttl?: Ttl | SetOptions): Promise<boolean[]>
  /** Removes a key. True: it is known to be gone, also if it was absent. */
  delete(key: string): Promise<boolean>
  /** Removes many keys; whether each is known to be gone, in their order. */
  deleteMany(keys: readonly string[]): Promise<boolean[]>
  /**
   * The value at `key`, or what `load` brings, which is then stored. However many callers ask for a
   * key at once in this process, Redis is asked once and `load` runs once. What it throws reaches them
   * all; nothing is stored then, nor when it returns `undefined`.
   *
   * All get the value as JSON gives it back, so that the first caller sees what later ones will.
   */
  getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): Promise<Jsonify<T>>
  /** Counts of this cache since it was made, and figures of the server. Does not reject. */
  stats(): Promise<CacheStats>
  /** Whether Redis answers, and how fast. */
  health(): Promise<ConnectionHealth>
  /** Ends this cache; the connection it was given stays open. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Makes a cache.
 *
 * @throws TypeError or RangeError naming the option, its rule and what was received
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 *
 * const cache = createCache({ namespace: 'shop:v1', ttl: '1h' })
 * const user = await cache.getOrSet('user:1', async () => ({ name: 'Ada' }), '5m')
 * user.name // 'Ada'
 * await cache.close()
 * ```
 */
export function createCache(options: CacheOptions): Cache {
  return assembleCache(resolveCacheOptions(options))
}

/** Puts a cache together from its parts. */
export function assembleCache({ keyspace, tier, ttlMs, degrade }: ResolvedCacheOptions): Cache {
  const counters = createCounters()
  const failures = createFailures(keyspace.namespace, counters, degrade)
  const flights = createSingleFlight()
  const reads = createReads(keyspace, tier, counters, failures)
  const writes = createWrites(keyspace, tier, ttlMs, flights, counters, failures)

  const background = new Set<Promise<unknown>>()
  function inBackground(work: Promise<unknown>): void {
    background.add(work)
    const done = (): void => void background.delete(work)
    work.then(done, done)
  }
  const getOrSet = createGetOrSet(
    keyspace,
    tier,
    ttlMs,
    flights,
    reads,
    writes,
    counters,
    inBackground,
  )

  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    await Promise.allSettled(background)
    await tier.close()
  }
  function close(): Promise<void> {
    return (closing ??= end())
  }

  return {
    namespace: keyspace.namespace,
    get: reads.get as Cache['get'],
    getMany: reads.getMany as Cache['getMany'],
    has: async (key) => (await reads.get(key)) !== undefined,
    ttl: reads.ttl,
    set: writes.set,
    setMany: writes.setMany,
    delete: writes.delete,
    deleteMany: writes.deleteMany,
    getOrSet: getOrSet as Cache['getOrSet'],
    stats: () => readStats(counters, tier),
    health: () => tier.health(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
