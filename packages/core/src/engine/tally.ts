import type { Clock, SourceId } from '@corral/connection'
import type { MissReason } from '../entry/read-entry.ts'
import type { Counters } from '../stats.ts'
import { traceChannel } from '../trace.ts'

const hits = traceChannel('corral:core:hit')
const misses = traceChannel('corral:core:miss')

/** Counts reads and tells listeners of them. */
export interface Tally {
  /** The clock is only read for listeners; 0 without. */
  readonly start: () => number
  readonly hit: (key: string, stale: boolean, started: number) => void
  readonly nearHit: (key: string, stale: boolean) => void
  readonly miss: (key: string, reason: MissReason, started: number) => void
}

export function createTally(
  source: SourceId,
  counters: Counters,
  tier: 'remote' | 'memory',
  clock: Clock,
): Tally {
  const namespace = source.name
  return {
    start: () => (hits.hasSubscribers || misses.hasSubscribers ? clock.now() : 0),
    hit(key, stale, started) {
      counters.hits++
      if (stale) counters.staleServed++
      if (hits.hasSubscribers) {
        hits.publish({ source, namespace, key, tier, stale, duration: clock.now() - started })
      }
    },
    nearHit(key, stale) {
      counters.hits++
      counters.nearHits++
      if (stale) counters.staleServed++
      if (hits.hasSubscribers) {
        hits.publish({ source, namespace, key, tier: 'near', stale, duration: undefined })
      }
    },
    miss(key, reason, started) {
      counters.misses++
      if (misses.hasSubscribers) {
        misses.publish({ source, namespace, key, reason, duration: clock.now() - started })
      }
    },
  }
}
