import type { Tier } from './tiers/tier.ts'

/** What one cache did since it was made, and what it stands on. */
export interface CacheStats {
  readonly hits: number
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
  /** Calls that Redis could not serve. */
  readonly errors: number
  /** Keys on the server, BullMQ's included; `undefined` when it cannot be asked. */
  readonly keys: number | undefined
  /** Bytes that Redis uses; `undefined` when it cannot be asked, and without Redis. */
  readonly memory: number | undefined
  /** Whether a call made now would be tried. */
  readonly available: boolean
  readonly reconnectAttempts: number
}

/** Counts of one cache; plain fields, as they are touched by every call. */
export interface Counters {
  hits: number
  misses: number
  sets: number
  deletes: number
  loads: number
  coalesced: number
  errors: number
}

export function createCounters(): Counters {
  return { hits: 0, misses: 0, sets: 0, deletes: 0, loads: 0, coalesced: 0, errors: 0 }
}

/** Joins the counts with what the tier holds. Does not reject: what cannot be asked is `undefined`. */
export async function readStats(counters: Counters, tier: Tier): Promise<CacheStats> {
  const usage = await tier.usage().catch(() => undefined)
  const reads = counters.hits + counters.misses
  return {
    ...counters,
    hitRate: reads === 0 ? 0 : counters.hits / reads,
    keys: usage?.keys,
    memory: usage?.memory,
    available: tier.available,
    reconnectAttempts: usage?.reconnectAttempts ?? 0,
  }
}
