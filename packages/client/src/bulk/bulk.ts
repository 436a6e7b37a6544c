import { describeValue } from '@corral/connection'
import type { Cache, SetEntry, Ttl } from '@corral/core'

/** What became of many writes. */
export interface BulkResult {
  /** Whether all were done. */
  readonly ok: boolean
  readonly done: number
  /** The keys that were not stored, or are not known to be gone. */
  readonly failed: readonly string[]
}

export interface WarmEntry {
  readonly key: string
  readonly fetcher: () => unknown
  readonly ttl?: Ttl
}

export interface WarmOptions {
  /** Fetchers that run at once. 1 to 1,000. @defaultValue 8 */
  readonly concurrency?: number
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
}

/** What became of warming. */
export interface WarmResult {
  /** How many have a value now, fetched or there before. */
  readonly warmed: number
  readonly failed: readonly { readonly key: string; readonly error: unknown }[]
}

/** Many keys in one call. */
export interface Bulk {
  /** Stores many values in chunks, each with its own ttl or the one given for all. */
  bulkSet(entries: readonly SetEntry[], ttl?: Ttl): Promise<BulkResult>
  /** The values in the order of the keys, `undefined` for a miss. */
  bulkGet<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]>
  bulkDelete(keys: readonly string[]): Promise<BulkResult>
  /** Fetches what is not there yet, few at once; a fetcher that throws fails its own key alone. */
  warmCache(entries: readonly WarmEntry[], options?: WarmOptions): Promise<WarmResult>
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
    async warmCache(entries, { concurrency = 8, onProgress } = {}) {
      if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 1_000) {
        throw new RangeError(
          `concurrency: must be a whole number from 1 to 1000, received ${describeValue(concurrency)}`,
        )
      }
      const failed: { key: string; error: unknown }[] = []
      const total = entries.length
      const queue = entries.values()
      let done = 0
      async function worker(): Promise<void> {
        for (const { key, fetcher, ttl } of queue) {
          try {
            await cache.getOrSet(key, () => fetcher(), ttl)
          } catch (error) {
            failed.push({ key, error })
          }
          onProgress?.({ done: ++done, total })
        }
      }
      await Promise.all(Array.from({ length: Math.min(concurrency, total) }, worker))
      return { warmed: total - failed.length, failed }
    },
  }
}

function resultOf(keys: readonly string[], outcomes: readonly boolean[]): BulkResult {
  const failed = keys.filter((_, i) => outcomes[i] !== true)
  return { ok: failed.length === 0, done: keys.length - failed.length, failed }
}
