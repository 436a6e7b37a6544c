import type { Connection } from '@corral/connection'
import type { Cache } from './cache-interface.ts'
import type { Obtain } from './engine/get-or-set.ts'
import type { Parts } from './engine/parts.ts'
import type { Refreshing } from './engine/refreshing.ts'
import type { Writes } from './engine/writes.ts'
import type { ResolvedCacheOptions } from './options.ts'

/**
 * What is behind a cache, for the parts of this package that build on one: structures, counters,
 * warming and adapters. Not exported from the package.
 */
export interface CacheSeam extends Parts {
  /** Undefined: memory only. */
  readonly connection: Connection | undefined
  readonly resolved: ResolvedCacheOptions
  /** `getOrSet` with a Redis key and options that were checked. */
  readonly obtain: Obtain
  readonly refreshing: Refreshing
  readonly writes: Writes
  /** Each cache made by `child`, and theirs. */
  readonly below: () => Iterable<Parts>
}

const seams = new WeakMap<Cache, CacheSeam>()

export function keepSeam(cache: Cache, seam: CacheSeam): void {
  seams.set(cache, seam)
}

/**
 * What is behind a cache.
 *
 * @throws TypeError for what `createCache` did not make, a double for tests say
 */
export function seamOf(cache: Cache): CacheSeam {
  const seam = seams.get(cache)
  if (seam === undefined) throw new TypeError('cache: must be one of createCache')
  return seam
}
