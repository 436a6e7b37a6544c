import type { Groups } from '../groups/groups.ts'
import type { Latencies } from '../latency/latencies.ts'
import { isOf, listen, type Origin, type Tagged } from './listen.ts'

/** What is counted from the messages of a cache, beside what it counts itself. */
export interface CacheEventCounts {
  /** Calls that stored or tried to, fills after loads included. */
  storeCalls: number
  deleteCalls: number
  invalidations: number
  loadFailures: number
  /** Calls whose deadline passed before Redis answered. */
  deadlineHits: number
  /** Length of the entries that hits brought from Redis. */
  bytesRead: number
  /** Length of what was sent to be stored: the entries without their times, some 50 characters. */
  bytesWritten: number
}

interface Keyed extends Tagged {
  readonly key: string
}
interface Timed extends Keyed {
  readonly duration: number
}
/** Hits that were asked for in one tick and answered in one. */
type Hits = Tagged & {
  readonly count: number
  readonly size: number
  readonly duration: number
}
/** One near hit that stands for `every` of them. */
type NearSample = Timed & { readonly every: number }
type Stored = Timed & { readonly stored: boolean; readonly size: number }
type Loaded = Timed & { readonly outcome: string }
type Failed = Tagged & { readonly code: string; readonly reason: string | undefined }

export interface CacheEvents {
  readonly counts: Readonly<CacheEventCounts>
  stop(): void
}

/** Hears what one cache tells. */
export function listenToCache(
  origin: Origin,
  latencies: Latencies,
  groups: Groups | undefined,
): CacheEvents {
  const counts: CacheEventCounts = {
    storeCalls: 0,
    deleteCalls: 0,
    invalidations: 0,
    loadFailures: 0,
    deadlineHits: 0,
    bytesRead: 0,
    bytesWritten: 0,
  }
  const nearHit = latencies.of('near-hit')
  const hit = latencies.of('hit')
  const miss = latencies.of('miss')
  const set = latencies.of('set')
  const remove = latencies.of('delete')
  const invalidate = latencies.of('invalidate')
  const load = latencies.of('load')
  const leaseWait = latencies.of('lease-wait')

  const stop = listen({
    // A message for each hit costs: only for those who need its key.
    ...(groups !== undefined && {
      'corral:core:hit': (message: Keyed) => {
        if (isOf(origin, message)) groups.add(message.key, 'hits', 1)
      },
    }),
    'corral:core:hits': (message: Hits) => {
      if (!isOf(origin, message)) return
      hit(message.duration, message.count)
      counts.bytesRead += message.size
    },
    'corral:core:near-sample': (message: NearSample) => {
      if (!isOf(origin, message)) return
      nearHit(message.duration)
      groups?.add(message.key, 'nearHits', message.every)
    },
    'corral:core:miss': (message: Timed) => {
      if (!isOf(origin, message)) return
      miss(message.duration)
      groups?.add(message.key, 'misses', 1)
    },
    'corral:core:set': (message: Stored) => {
      if (!isOf(origin, message)) return
      set(message.duration)
      counts.storeCalls++
      if (!message.stored) return
      counts.bytesWritten += message.size
      groups?.add(message.key, 'sets', 1)
    },
    'corral:core:delete': (message: Timed) => {
      if (!isOf(origin, message)) return
      remove(message.duration)
      counts.deleteCalls++
    },
    'corral:core:invalidate': (message: Tagged & { readonly duration: number }) => {
      if (!isOf(origin, message)) return
      invalidate(message.duration)
      counts.invalidations++
    },
    'corral:core:load': (message: Loaded) => {
      if (!isOf(origin, message)) return
      load(message.duration)
      if (message.outcome === 'failed') counts.loadFailures++
      groups?.add(message.key, 'loads', 1)
    },
    'corral:core:lease-wait': (message: Timed) => {
      if (isOf(origin, message)) leaseWait(message.duration)
    },
    'corral:core:error': (message: Failed) => {
      if (isOf(origin, message) && message.reason === 'deadline') counts.deadlineHits++
    },
  })
  return { counts, stop }
}
