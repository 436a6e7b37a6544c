import type { Clock } from '@corral/connection'
import { createGroups } from './groups/groups.ts'
import type { Latencies } from './latency/latencies.ts'
import { listenToCache } from './listen/cache-events.ts'
import { type CacheCounts, cacheCountNames, type MeasuredCache } from './measured.ts'
import type { ResolvedMetricsOptions } from './options.ts'
import type { MetricsSnapshot, WindowName } from './snapshot.ts'
import { createHistory, type Row } from './windows/history.ts'
import { type CountedCache, windowFigures } from './windows/window-figures.ts'

/** The windows and how far each reaches back. */
export const windows: Readonly<Record<WindowName, number>> = {
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
}

export interface CacheFigures {
  /** Keeps the counts as they stand; called each second. */
  tick(): void
  read(): NonNullable<MetricsSnapshot['cache']>
  stop(): void
}

export function measureCache(
  cache: MeasuredCache,
  { groupOf, maxGroups }: ResolvedMetricsOptions,
  latencies: Latencies,
  clock: Clock,
): CacheFigures {
  const groups = groupOf && createGroups(groupOf, maxGroups)
  const events = listenToCache(cache, latencies, groups)

  function row(): Row<CountedCache> {
    const live = cache.counts()
    const counts = Object.fromEntries(
      cacheCountNames.map((name) => [name, live[name] ?? 0]),
    ) as unknown as CacheCounts
    return { at: clock.now(), counts: { ...counts, ...events.counts } }
  }

  const history = createHistory(row())

  return {
    tick: () => history.add(row()),
    read() {
      const now = row()
      const figures = Object.entries(windows).map(([name, reachMs]) => {
        const from = history.start(reachMs, now.at)
        return [name, windowFigures(from, now, latencies.read(reachMs, now.at))] as const
      })
      return {
        totals: now.counts,
        windows: Object.fromEntries(figures) as NonNullable<MetricsSnapshot['cache']>['windows'],
        groups: groups?.read() ?? {},
      }
    },
    stop: events.stop,
  }
}
