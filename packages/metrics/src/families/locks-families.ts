import { counter, type Family, gauge } from './family.ts'

/** What is told of a lock service. */
export const locksFamilies: readonly Family[] = [
  gauge(
    'cache_active_locks',
    'Locks that are held now, by any process, as Redis knows it.',
    'max',
    ({ locks }) => locks?.active?.count,
  ),
  gauge('cache_locks_held', 'Locks that this process holds.', 'sum', ({ locks }) => locks?.held),
  gauge(
    'cache_locks_waiting',
    'Calls of this process that wait for a lock.',
    'sum',
    ({ locks }) => locks?.waiting,
  ),
  counter('cache_locks_acquired_total', 'Locks that were handed out.', (s) => s.locks?.acquired),
  counter('cache_locks_released_total', 'Locks that were given back.', (s) => s.locks?.released),
  counter(
    'cache_locks_lost_total',
    'Locks that were lost before they were given back.',
    (s) => s.locks?.lost,
  ),
  {
    name: 'cache_locks_refused_total',
    type: 'counter',
    help: 'Calls that ended without the lock, by error code.',
    labels: ['code'],
    aggregator: 'sum',
    read: ({ locks }) =>
      (locks?.refused ?? []).map(({ code, count }) => ({ labels: { code }, value: count })),
  },
]
