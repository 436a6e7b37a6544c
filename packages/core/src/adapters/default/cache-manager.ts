import { createKeyspace, describeValue, type ConnectionHealth } from '@corral/connection'
import type { Cache } from '../../cache.ts'
import type { Load } from '../../engine/load.ts'
import { ttlMilliseconds, type Ttl } from '../../entry/ttl.ts'
import type { Jsonify } from '../../jsonify.ts'
import type { GetOrSetOptions, SetOptions } from '../../policy.ts'
import type { Checked, CheckedGetOrSetOptions } from '../../schema/checked-options.ts'
import type { CacheStats } from '../../stats.ts'
import { closeDefaultCache, isOpen, openDefaultCache, type DefaultsOptions } from './defaults.ts'

/** Options of {@link CacheManager}. */
export interface CacheManagerOptions {
  /** How long an entry lives whose call gives no time; a number is seconds. @defaultValue as configured, else '1h' */
  readonly defaultTtl?: Ttl
  /**
   * How many keys the owner means to have. Told by `getStats`, and nothing is done about it: Redis
   * evicts nothing under BullMQ, so what bounds a cache is its ttl. @defaultValue none
   */
  readonly maxKeys?: number
  /** Where the entries live: `<namespace>::<key>`. @defaultValue as configured, else `<BULLMQ_PREFIX>:cache` */
  readonly namespace?: string
}

/** Figures of {@link CacheManager}. */
export interface CacheManagerStats extends CacheStats {
  readonly maxKeys: number | undefined
}

/**
 * A cache that opens by itself with its first call, on what `configureDefaults` was given or the
 * environment names. Its calls are those of `Cache`, where the options and guarantees stand.
 *
 * A call rejects with a `TypeError` when the environment is wrong, and with an `Error` when it names
 * no Redis; once open, it fails as a `Cache` does.
 */
export class CacheManager {
  readonly #own: DefaultsOptions
  readonly #maxKeys: number | undefined
  #cache: Cache | undefined

  /** @throws TypeError or RangeError naming the option, its rule and what was received */
  constructor(options: CacheManagerOptions = {}) {
    const { defaultTtl, maxKeys, namespace } = options
    if (defaultTtl !== undefined) ttlMilliseconds(defaultTtl, 'defaultTtl')
    if (namespace !== undefined) createKeyspace({ namespace })
    if (maxKeys !== undefined && (!Number.isInteger(maxKeys) || maxKeys < 1)) {
      throw new TypeError(
        `maxKeys: must be a whole number of at least 1, received ${describeValue(maxKeys)}`,
      )
    }
    this.#maxKeys = maxKeys
    this.#own = {
      ...(defaultTtl !== undefined && { ttl: defaultTtl }),
      ...(namespace !== undefined && { namespace }),
    }
  }

  /**
   * The cache behind it, for the calls that are not here. Opens it.
   *
   * @throws as its calls reject
   */
  get cache(): Cache {
    if (this.#cache === undefined || !isOpen(this.#cache)) {
      this.#cache = openDefaultCache(this.#own)
    }
    return this.#cache
  }

  async get<T = unknown>(key: string): Promise<T | undefined> {
    return this.cache.get<T>(key)
  }

  async set(key: string, value: unknown, ttl?: Ttl | SetOptions): Promise<boolean> {
    return this.cache.set(key, value, ttl)
  }

  async del(key: string): Promise<boolean> {
    return this.cache.delete(key)
  }

  getOrSet<T, Output, Fallback = never>(
    key: string,
    load: Load<T>,
    options: CheckedGetOrSetOptions<NoInfer<T>, Output, Fallback>,
  ): Promise<Checked<T, Output> | Fallback>
  getOrSet<T>(
    key: string,
    load: Load<T>,
    ttl?: Ttl | GetOrSetOptions<NoInfer<T>>,
  ): Promise<Jsonify<T>>
  async getOrSet(key: string, load: Load<unknown>, ttl?: Ttl | GetOrSetOptions): Promise<unknown> {
    return this.cache.getOrSet(key, load, ttl)
  }

  async getMany<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]> {
    return this.cache.getMany<T>(keys)
  }

  async has(key: string): Promise<boolean> {
    return this.cache.has(key)
  }

  async ttl(key: string): Promise<number | undefined> {
    return this.cache.ttl(key)
  }

  async expire(key: string, ttl: Ttl): Promise<boolean> {
    return this.cache.expire(key, ttl)
  }

  async increment(key: string, by = 1, options?: { readonly ttl?: Ttl }): Promise<number> {
    return this.cache.increment(key, by, options)
  }

  async decrement(key: string, by = 1, options?: { readonly ttl?: Ttl }): Promise<number> {
    return this.cache.decrement(key, by, options)
  }

  async deletePattern(pattern: string): Promise<number> {
    return this.cache.deletePattern(pattern)
  }

  /** Removes every key of this cache's namespace, and no other. */
  async clear(): Promise<boolean> {
    return this.cache.clear()
  }

  /** `keys` and `memory` are the whole server's. */
  async getStats(): Promise<CacheManagerStats> {
    return { ...(await this.cache.stats()), maxKeys: this.#maxKeys }
  }

  async healthCheck(): Promise<ConnectionHealth> {
    return this.cache.health()
  }

  /** Ends this cache, if it was used; the next call opens it anew. The connection is `closeDefaults`'s. */
  async close(): Promise<void> {
    const cache = this.#cache
    this.#cache = undefined
    if (cache !== undefined) await closeDefaultCache(cache)
  }
}
