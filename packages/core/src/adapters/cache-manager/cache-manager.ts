import { createCache as createWithStores, type Cache as CacheManager } from 'cache-manager'
import { createKeyv } from '../keyv/create-keyv.ts'
import type { KeyvStoreOptions } from '../keyv/options.ts'

/** Options of {@link createCacheManager}; all times are **milliseconds**, as everywhere in cache-manager. */
export interface CacheManagerOptions extends KeyvStoreOptions {
  /** Where the entries live: `<namespace>::<key>`. See `KeyvStoreOptions`. */
  readonly namespace: string
  /**
   * How long an entry lives whose call gives no time, in milliseconds; 0 keeps it without end.
   * @defaultValue 3_600_000, one hour: a queue's Redis evicts nothing, so entries have to end
   */
  readonly ttl?: number
  /** `wrap` loads anew, behind the answer, what has less than this to live, in milliseconds. */
  readonly refreshThreshold?: number
  /** Does not wait for writes. @defaultValue false */
  readonly nonBlocking?: boolean
  /** What `cacheId()` tells. @defaultValue a random text */
  readonly cacheId?: string
}

const hourMs = 3_600_000

/**
 * cache-manager 7's own cache, over Keyv, over a store on the borrowed connection.
 *
 * It has what cache-manager has, and its limits: `wrap` loads once per process, not once for all of
 * them, and what a load brings is stored even if the key was deleted meanwhile. `asCacheManager` gives
 * the same calls without these limits.
 *
 * @throws TypeError or RangeError naming the option, its rule and what was received
 *
 * @example
 * ```ts
 * import { createCacheManager } from '@corral/core/cache-manager'
 * import { Queue } from 'bullmq'
 *
 * const queue = new Queue('mail', { connection: { host: '127.0.0.1', port: 6379 } })
 * const cache = createCacheManager({ connection: queue, namespace: 'shop', ttl: 60_000 })
 * await cache.wrap('user:1', async () => ({ name: 'Ada' }), 300_000)
 * await cache.disconnect() // the queue's connection stays open
 * await queue.close()
 * ```
 */
export function createCacheManager(options: CacheManagerOptions): CacheManager {
  const { refreshThreshold, nonBlocking, cacheId, ttl = hourMs, ...storeOptions } = options ?? {}
  const keyv = createKeyv({ ...storeOptions, ttl })
  return createWithStores({
    stores: [keyv],
    ttl,
    ...(refreshThreshold !== undefined && { refreshThreshold }),
    ...(nonBlocking !== undefined && { nonBlocking }),
    ...(cacheId !== undefined && { cacheId }),
  })
}
