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

/** Many values in the order of their keys, `undefined` for a miss. */
export type BulkValues<T> = (T | undefined)[] & {
  /** The keys that Redis could not answer for: not known to be missing. Not enumerable. */
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
  /**
   * The values in the order of the keys, read in chunks; what no chunk could bring is in `failed`.
   *
   * @example
   * ```ts
   * import type { CacheClient } from '@corral/client'
   *
   * async function names(client: CacheClient, keys: string[]) {
   *   const users = await client.bulkGet<{ name: string }>(keys)
   *   if (users.failed.length > 0) throw new Error(`${users.failed.length} users are out of reach`)
   *   return users.map((user) => user?.name ?? 'nobody')
   * }
   * ```
   */
  bulkGet<T = unknown>(keys: readonly string[]): Promise<BulkValues<T>>
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
    async bulkGet<T>(keys: readonly string[]) {
      let failed: readonly string[] = []
      const values = await cache.getMany<T>(keys, (which) => (failed = which))
      return Object.defineProperty(values, 'failed', { value: failed }) as BulkValues<T>
    },
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
