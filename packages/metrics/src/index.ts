export { type GroupOf, groupByPrefix, type GroupRule } from './groups/group-rules.ts'
export type { GroupCounts } from './groups/groups.ts'
export { relativeError } from './latency/buckets.ts'
export type { TimedOperation } from './latency/latencies.ts'
export type { LatencyFigures } from './latency/latency.ts'
export type { CacheEventCounts } from './listen/cache-events.ts'
export type { BreakerState, BreakerTransition, CommandCounts } from './listen/connection-events.ts'
export type { ActiveLocks } from './locks-asker.ts'
export type { FiguresLogger, LoggedFigures } from './log-every.ts'
export type { CacheCounts, MeasuredCache, MeasuredConnection, MeasuredLocks } from './measured.ts'
export { createMetrics, type Metrics } from './metrics.ts'
export type { MetricsOptions } from './options.ts'
export type {
  BreakerFigures,
  MetricsSnapshot,
  TierFigures,
  WindowFigures,
  WindowName,
} from './snapshot.ts'
export { createFleetTotals, type FleetFigures, type FleetTotals } from './fleet/fleet-totals.ts'
export type { FleetTotalsOptions } from './fleet/options.ts'
export type { TotalName } from './fleet/totals-script.ts'
