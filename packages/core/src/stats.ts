import type { Tier } from './tiers/tier.ts'

/** What one cache did since it was made, and what it stands on. */
export interface CacheStats {
  /** Reads that were answered from the cache, stale values included. */
  readonly hits: number
  /** Those of them that this process's own copies answered, without asking Redis. */
  readonly nearHits: number
  readonly misses: number
  /** Share of reads that were hits, 0 to 1; 0 before the first read. */
  readonly hitRate: number
  /** Values that were stored, by callers and by loads. */
  readonly sets: number
  readonly deletes: number
  /** Loaders that ran. */
  readonly loads: number
  /** Callers that shared a call under way instead of asking Redis. */
  readonly coalesced: number
  /** Values past their ttl that were served, by `staleWhileRevalidate` and by `staleIfError`. */
  readonly staleServed: number
  /** Calls that waited for another process's load. */
  readonly leaseWaited: number
  /** Loads behind a value that was served, early ones included. */
  readonly refreshes: number
  /** Those of them that began before the value was stale. */
  readonly earlyRefreshes: number
  /** Loads that were spared while Redis was away, by what the last one brought. */
  readonly outageHits: number
  /** Calls that Redis could not serve. */
  readonly errors: number
  /** Keys on the server, BullMQ's included; `undefined` when it cannot be asked. */
  readonly keys: number | undefined
  /** Bytes that Redis uses; `undefined` when it cannot be asked, and without Redis. */
  readonly memory: number | undefined
  /** Entries that this process holds copies of. */
  readonly nearEntries: number
  /** Whether a call made now would be tried. */
  readonly available: boolean
  readonly reconnectAttempts: number
}

/** Counts of one cache; plain fields, as they are touched by every call, and each call by one of them. */
export interface Counters {
  /** Hits that are not near ones. */
  tierHits: number
  nearHits: number
  misses: number
  sets: number
  deletes: number
  loads: number
  coalesced: number
  staleServed: number
  leaseWaited: number
  refreshes: number
  earlyRefreshes: number
  outageHits: number
  errors: number
}

export function createCounters(): Counters {
  return {
    tierHits: 0,
    nearHits: 0,
    misses: 0,
    sets: 0,
    deletes: 0,
    loads: 0,
    coalesced: 0,
    staleServed: 0,
    leaseWaited: 0,
    refreshes: 0,
    earlyRefreshes: 0,
    outageHits: 0,
    errors: 0,
  }
}

/** What a cache counted, as {@link CacheStats} has it. */
export type Counts = Pick<CacheStats, keyof CacheStats & (keyof Counters | 'hits')>

export function countsOf({ tierHits, ...counts }: Counters): Counts {
  return { hits: tierHits + counts.nearHits, ...counts }
}

/** Joins the counts with what the tier holds. Does not reject: what cannot be asked is `undefined`. */
export async function readStats(
  counters: Counters,
  tier: Tier,
  nearEntries: number,
): Promise<CacheStats> {
  const usage = await tier.usage().catch(() => undefined)
  const counts = countsOf(counters)
  const reads = counts.hits + counts.misses
  return {
    ...counts,
    hitRate: reads === 0 ? 0 : counts.hits / reads,
    keys: usage?.keys,
    memory: usage?.memory,
    nearEntries,
    available: tier.available,
    reconnectAttempts: usage?.reconnectAttempts ?? 0,
  }
}
