import type { GroupCounts } from '../groups/groups.ts'
import type { MetricsSnapshot, WindowFigures } from '../snapshot.ts'
import type { CountedCache } from '../windows/window-figures.ts'
import { counter, type Family, type Sample, sampleOf } from './family.ts'

function total(name: `cache_${string}_total`, count: keyof CountedCache, help: string): Family {
  return counter(name, help, ({ cache }) => cache?.totals[count])
}

function perWindow(
  name: `cache_${string}`,
  help: string,
  read: (figures: WindowFigures) => number | undefined,
  aggregator: 'sum' | 'average' = 'average',
): Family {
  return {
    name,
    type: 'gauge',
    help,
    labels: ['window'],
    aggregator,
    read: ({ cache }) =>
      Object.entries(cache?.windows ?? {}).flatMap(([window, figures]) =>
        sampleOf({ window }, read(figures)),
      ),
  }
}

function perGroup(name: `cache_${string}_total`, help: string, count: keyof GroupCounts): Family {
  return {
    name,
    type: 'counter',
    help,
    labels: ['group'],
    aggregator: 'sum',
    read: ({ cache }) =>
      Object.entries(cache?.groups ?? {}).flatMap(([group, counts]) =>
        sampleOf({ group }, counts[count]),
      ),
  }
}

function tierSamples({ cache }: MetricsSnapshot): readonly Sample[] {
  return Object.entries(cache?.windows ?? {}).flatMap(([window, { near, remote }]) => [
    ...sampleOf({ tier: 'near', window }, near.hitRate),
    ...sampleOf({ tier: 'remote', window }, remote.hitRate),
  ])
}

function hitSamples({ cache }: MetricsSnapshot): readonly Sample[] {
  if (cache === undefined) return []
  const { hits, nearHits } = cache.totals
  return [
    { labels: { tier: 'near' }, value: nearHits },
    { labels: { tier: 'remote' }, value: hits - nearHits },
  ]
}

/** What is told of a cache. */
export const cacheFamilies: readonly Family[] = [
  perWindow('cache_hit_rate', 'Share of reads that the cache answered, 0 to 1.', (w) => w.hitRate),
  {
    name: 'cache_tier_hit_rate',
    type: 'gauge',
    help: 'Share of the reads that came to a tier which it answered, 0 to 1.',
    labels: ['tier', 'window'],
    aggregator: 'average',
    read: tierSamples,
  },
  perWindow(
    'cache_operations_per_second',
    'Reads, stores and deletes a second.',
    (w) => w.throughput,
    'sum',
  ),
  perWindow(
    'cache_error_rate',
    'Share of operations that Redis could not serve, 0 to 1.',
    (w) => w.errorRate,
  ),
  {
    name: 'cache_hits_total',
    type: 'counter',
    help: 'Reads that the cache answered, stale values included.',
    labels: ['tier'],
    aggregator: 'sum',
    read: hitSamples,
  },
  total('cache_misses_total', 'misses', 'Reads that found nothing to serve.'),
  total('cache_sets_total', 'sets', 'Values that were stored, by callers and by loads.'),
  total('cache_deletes_total', 'deletes', 'Keys that were deleted.'),
  total('cache_invalidations_total', 'invalidations', 'Tags, patterns and namespaces cleared.'),
  total('cache_loads_total', 'loads', 'Loaders that ran.'),
  total('cache_load_failures_total', 'loadFailures', 'Loaders that failed.'),
  total('cache_coalesced_total', 'coalesced', 'Callers that shared a call under way.'),
  total('cache_stale_served_total', 'staleServed', 'Values past their ttl that were served.'),
  total(
    'cache_lease_waits_total',
    'leaseWaited',
    'Calls that waited for the load of another process.',
  ),
  total('cache_refreshes_total', 'refreshes', 'Loads behind a value that was served.'),
  total(
    'cache_early_refreshes_total',
    'earlyRefreshes',
    'Refreshes that began before the value was stale.',
  ),
  total('cache_outage_hits_total', 'outageHits', 'Loads spared while Redis was away.'),
  total('cache_errors_total', 'errors', 'Operations that Redis could not serve.'),
  total(
    'cache_deadline_hits_total',
    'deadlineHits',
    'Calls whose deadline passed before Redis answered.',
  ),
  total(
    'cache_read_bytes_total',
    'bytesRead',
    'Length of the entries that hits brought from Redis.',
  ),
  total('cache_written_bytes_total', 'bytesWritten', 'Length of what was sent to be stored.'),
  perGroup('cache_group_hits_total', 'Hits in Redis by group of keys.', 'hits'),
  perGroup(
    'cache_group_near_hits_estimated_total',
    'Hits in the near cache by group of keys, estimated from one in 64.',
    'nearHits',
  ),
  perGroup('cache_group_misses_total', 'Misses by group of keys.', 'misses'),
  perGroup('cache_group_sets_total', 'Values that were stored, by group of keys.', 'sets'),
  perGroup('cache_group_loads_total', 'Loaders that ran, by group of keys.', 'loads'),
]
