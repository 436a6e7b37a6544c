import type { MetricsSnapshot } from '../snapshot.ts'
import { cacheFamilies } from './cache-families.ts'
import { connectionFamilies } from './connection-families.ts'
import type { Family, Sample } from './family.ts'
import { locksFamilies } from './locks-families.ts'

function latencySamples({ latency }: MetricsSnapshot): readonly Sample[] {
  const quantiles = Object.entries(latency.window).flatMap(([operation, { p50, p95, p99 }]) =>
    Object.entries({ '0.5': p50, '0.95': p95, '0.99': p99 }).map(([quantile, ms]) => {
      return { labels: { operation, quantile }, value: ms / 1_000 }
    }),
  )
  const totals = Object.entries(latency.totals).flatMap(([operation, { count, sum }]) => [
    { labels: { operation }, value: sum / 1_000, part: 'sum' as const },
    { labels: { operation }, value: count, part: 'count' as const },
  ])
  return [...quantiles, ...totals]
}

/** Every metric that there is. */
export const families: readonly Family[] = [
  ...cacheFamilies,
  {
    name: 'cache_operation_latency_seconds',
    type: 'summary',
    help: 'How long operations took; quantiles of the last five minutes, at most 0.8 % off.',
    labels: ['operation', 'quantile'],
    aggregator: 'average',
    read: latencySamples,
  },
  ...connectionFamilies,
  ...locksFamilies,
]
