import type { GroupCounts } from './groups/groups.ts'
import type { LatencyFigures } from './latency/latency.ts'
import type { TimedOperation } from './latency/latencies.ts'
import type { CacheEventCounts } from './listen/cache-events.ts'
import type { BreakerState, BreakerTransition, CommandCounts } from './listen/connection-events.ts'
import type { LocksEventCounts } from './listen/locks-events.ts'
import type { ActiveLocks } from './locks-asker.ts'
import type { CacheCounts } from './measured.ts'

/** The windows that figures are told over. */
export type WindowName = '1m' | '5m' | '15m'

/** Reads and hits of one tier. */
export interface TierFigures {
  /** Reads that came to this tier. */
  readonly reads: number
  readonly hits: number
  /** 0 to 1; undefined without reads. */
  readonly hitRate: number | undefined
}

/** What happened within a window. */
export interface WindowFigures {
  /** How long it is in truth: up to a second more than its name, less while there is no more. */
  readonly seconds: number
  readonly reads: number
  readonly hits: number
  readonly misses: number
  /** 0 to 1; undefined without reads. */
  readonly hitRate: number | undefined
  readonly near: TierFigures
  readonly remote: TierFigures
  /** Reads, stores and deletes. */
  readonly operations: number
  /** Operations a second. */
  readonly throughput: number
  readonly errors: number
  /** Errors by operations, 0 to 1; undefined without either. */
  readonly errorRate: number | undefined
  /** Over the window and up to 10 s more. Milliseconds. */
  readonly latency: Readonly<Partial<Record<TimedOperation, LatencyFigures>>>
}

/** What the breakers of a connection did and are in. */
export interface BreakerFigures {
  /** The worst of all nodes and sides: open before half-open before closed. */
  readonly state: BreakerState
  readonly nodes: readonly {
    readonly node: string
    readonly read: BreakerState
    readonly write: BreakerState
    readonly pending: number
    readonly queued: number
  }[]
  readonly transitions: readonly {
    readonly node: string
    readonly side: string
    readonly to: string
    readonly count: number
  }[]
  /** The last 100, oldest first. */
  readonly recent: readonly BreakerTransition[]
}

/** Figures of one cache, connection and lock service at one moment. */
export interface MetricsSnapshot {
  readonly name: string
  /** Epoch ms. */
  readonly at: number
  /** Undefined without `cache`. */
  readonly cache:
    | {
        /** Counts since the cache was made, and, from messages, since it is measured. */
        readonly totals: Readonly<CacheCounts & CacheEventCounts>
        readonly windows: Readonly<Record<WindowName, WindowFigures>>
        readonly groups: Readonly<Record<string, Readonly<GroupCounts>>>
      }
    | undefined
  /** Undefined without `connection`. */
  readonly connection:
    | {
        readonly breaker: BreakerFigures
        readonly commands: Readonly<CommandCounts>
        readonly reconnectAttempts: number
      }
    | undefined
  /** Undefined without `locks`. */
  readonly locks:
    | (Readonly<LocksEventCounts> & {
        /** Held by anybody; undefined when it is not asked or Redis does not answer. */
        readonly active: ActiveLocks | undefined
        /** Held by this process. */
        readonly held: number
        /** Calls of this process that wait for one. */
        readonly waiting: number
        readonly refused: readonly { readonly code: string; readonly count: number }[]
      })
    | undefined
  /** Of the last five minutes, and of all time. Milliseconds. */
  readonly latency: {
    readonly window: Readonly<Partial<Record<TimedOperation, LatencyFigures>>>
    readonly totals: Readonly<
      Partial<Record<TimedOperation, { readonly count: number; readonly sum: number }>>
    >
  }
}
