import { describeValue } from '@corral/connection'
import type { Cache, SetEntry, Ttl, WarmOptions, WarmResult } from '@corral/core'

/** What became of many writes. */
export interface BulkResult {
  /** Whether all were done. */
  readonly ok: boolean
  readonly done: number
  /** The keys that were not stored, or are not known to be gone. */
  readonly failed: readonly string[]
}

/** What brings a value, for when it is not there. */
export interface WarmCacheEntry {
  readonly key: string
  readonly fetcher: () => unknown
  readonly ttl?: Ttl
}

/** Many keys in one call. */
export interface Bulk {
  /** Stores many values in chunks, each with its own ttl or the one given for all. */
  bulkSet(entries: readonly SetEntry[], ttl?: Ttl): Promise<BulkResult>
  /** The values in the order of the keys, `undefined` for a miss. */
  bulkGet<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]>
  bulkDelete(keys: readonly string[]): Promise<BulkResult>
  /** Fetches what is not there yet, few at once: `cache.warm` by another name. */
  warmCache(entries: readonly WarmCacheEntry[], options?: WarmOptions): Promise<WarmResult>
}

export function createBulk(cache: Cache): Bulk {
  return {
    async bulkSet(entries, ttl) {
      const stored = await cache.setMany(entries, ...(ttl === undefined ? [] : [ttl]))
      return resultOf(
        entries.map(({ key }) => key),
        stored,
      )
    },
    bulkGet: (keys) => cache.getMany(keys),
    async bulkDelete(keys) {
      return resultOf(keys, await cache.deleteMany(keys))
    },
    async warmCache(entries, options) {
      const loads = entries.map(({ key, fetcher, ttl }) => {
        if (typeof fetcher !== 'function') {
          throw new TypeError(`fetcher: must be a function, received ${describeValue(fetcher)}`)
        }
        return { key, load: () => fetcher(), ...(ttl !== undefined && { ttl }) }
      })
      return cache.warm(loads, options)
    },
  }
}

function resultOf(keys: readonly string[], outcomes: readonly boolean[]): BulkResult {
  const failed = keys.filter((_, i) => outcomes[i] !== true)
  return { ok: failed.length === 0, done: keys.length - failed.length, failed }
}
