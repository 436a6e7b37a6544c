import type { Clock, Keyspace, SourceId } from '@corral/connection'
import type { Policy } from '../policy.ts'
import type { Watermark } from '../memory/watermark.ts'
import type { NearTier } from '../near/near-tier.ts'
import type { Codec } from '../serializers/codec.ts'
import type { StampBook } from '../stamps/stamp-book.ts'
import type { Counters } from '../stats.ts'
import type { Tier } from '../tiers/tier.ts'
import type { Wake } from '../wake/wake.ts'
import type { Failures } from './failures.ts'
import type { HeldLease } from './lease.ts'
import type { LoadSlots } from './load-slots.ts'
import type { OutageBuffer } from './outage-buffer.ts'
import type { SingleFlight } from './single-flight.ts'
import type { Tally } from './tally.ts'

/** What was not acknowledged, and must not be served here until it is. */
export interface PendingChanges {
  /** Nothing is pending: no key need be looked at. */
  readonly idle: boolean
  readonly bypasses: (redisKey: string, key: string) => boolean
  readonly addKey: (redisKey: string) => void
  /** To be taken when a set or delete begins, for `settleKey`. */
  readonly moment: () => number
  readonly settleKey: (redisKey: string, began?: number) => void
}

/** What the parts of one cache share. */
export interface Parts {
  /** Who it is in traces. */
  readonly source: SourceId
  readonly namespace: string
  readonly keyspace: Keyspace
  readonly tier: Tier
  readonly clock: Clock
  /** Of the cache, before what its calls say. */
  readonly policy: Policy
  readonly codec: Codec
  readonly stamps: StampBook
  /** Undefined unless the cache has the option `near`. */
  readonly near: NearTier | undefined
  readonly wake: Wake
  readonly journal: PendingChanges
  readonly watermark: Pick<Watermark, 'mayStore' | 'full'>
  readonly counters: Counters
  readonly tally: Tally
  readonly failures: Failures
  readonly flights: SingleFlight
  /** Loads behind values that were served. */
  readonly refreshes: SingleFlight
  readonly slots: LoadSlots
  /** What this process has alone just now. */
  readonly leases: Set<HeldLease>
  /** Undefined: switched off. */
  readonly outage: OutageBuffer | undefined
  /** Keeps `close` waiting for what nobody else awaits, and its failures from going unhandled. */
  readonly inBackground: (work: Promise<unknown>) => void
}

/** A key is about to be written: neither a copy nor a load of what it held may outlive that. */
export function changing(parts: Parts, redisKey: string): void {
  parts.flights.supersede(redisKey)
  parts.refreshes.supersede(redisKey)
  parts.near?.drop(redisKey)
  parts.outage?.drop(redisKey)
}

/** Any key may have been invalidated: calls from now on share no load that began before. */
export function changingAny(parts: Parts): void {
  parts.flights.detachAll()
  parts.refreshes.detachAll()
  parts.outage?.clear()
}
