import type { CacheEventCounts } from '../listen/cache-events.ts'
import type { CacheCounts } from '../measured.ts'
import type { TierFigures, WindowFigures } from '../snapshot.ts'
import type { Row } from './history.ts'

/** All that is counted of a cache. */
export type CountedCache = Readonly<CacheCounts & CacheEventCounts>

/** What lies between two rows. */
export function windowFigures(
  from: Row<CountedCache>,
  to: Row<CountedCache>,
  latency: WindowFigures['latency'],
): WindowFigures {
  const since = (name: keyof CountedCache): number => to.counts[name] - from.counts[name]
  const seconds = (to.at - from.at) / 1_000
  const hits = since('hits')
  const misses = since('misses')
  const nearHits = since('nearHits')
  const reads = hits + misses
  const operations = reads + since('storeCalls') + since('deleteCalls')
  const errors = since('errors')
  return {
    seconds,
    reads,
    hits,
    misses,
    hitRate: share(hits, reads),
    near: tier(reads, nearHits),
    remote: tier(reads - nearHits, hits - nearHits),
    operations,
    throughput: seconds > 0 ? operations / seconds : 0,
    errors,
    // A call may fail in more than one step.
    errorRate: share(errors, Math.max(operations, errors)),
    latency,
  }
}

function tier(reads: number, hits: number): TierFigures {
  return { reads, hits, hitRate: share(hits, reads) }
}

function share(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined
}
