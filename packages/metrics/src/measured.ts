import type { ConnectionHealth, SourceId, StatsSource } from '@corral/connection'

/** What a cache counts. */
export interface CacheCounts {
  /** Reads that were answered from the cache, stale values included. */
  readonly hits: number
  /** Those of them that this process's own copies answered. */
  readonly nearHits: number
  readonly misses: number
  /** Values that were stored. */
  readonly sets: number
  readonly deletes: number
  /** Loaders that ran. */
  readonly loads: number
  /** Callers that shared a call under way. */
  readonly coalesced: number
  /** Values past their ttl that were served. */
  readonly staleServed: number
  /** Calls that waited for another process's load. */
  readonly leaseWaited: number
  /** Loads behind a value that was served. */
  readonly refreshes: number
  readonly earlyRefreshes: number
  /** Loads that were spared while Redis was away. */
  readonly outageHits: number
  /** Calls that Redis could not serve. */
  readonly errors: number
}

/** The names of {@link CacheCounts}. */
export const cacheCountNames: readonly (keyof CacheCounts)[] = [
  'hits',
  'nearHits',
  'misses',
  'sets',
  'deletes',
  'loads',
  'coalesced',
  'staleServed',
  'leaseWaited',
  'refreshes',
  'earlyRefreshes',
  'outageHits',
  'errors',
]

/** A cache, as far as it is measured: one of `createCache`. */
export type MeasuredCache = StatsSource<CacheCounts>

/** A connection, as far as it is measured: one of `shareConnection` or `openConnection`. */
export interface MeasuredConnection {
  readonly source: SourceId
  health(): Promise<ConnectionHealth>
}

/** A lock service, as far as it is measured: one of `createLocks`. */
export interface MeasuredLocks {
  readonly source: SourceId
  stats(): { readonly held: number; readonly waiting: number; readonly unreleased: number }
  /** The locks of all kinds that are held now, by anybody: several can hold one. */
  list(): Promise<readonly { readonly holders: readonly unknown[] }[]>
}
