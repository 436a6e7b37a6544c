import type { Asker, Clock, ConnectionHealth, CorralError } from '@corral/connection'
import type { IncrementReply, IncrementRequest } from '../protocol/increment-script.ts'
import type { LeaseReply } from '../protocol/lease-script.ts'
import type { RefreshReply } from '../protocol/refresh-script.ts'
import type { Stored } from '../protocol/entry-format.ts'

/** Told of a part of a bulk call that failed, and of what keys where that is known. Left out: the whole call rejects. */
export type OnPartialFailure = (error: CorralError, redisKeys?: readonly string[]) => void

/** One entry on its way into a tier. */
export interface TierWrite {
  readonly redisKey: string
  /** What `encodeValue` made of the value. */
  readonly tail: string
  /** `Infinity` for no end. */
  readonly ttlMs: number
}

/** A loaded value on its way to where its lease stands. */
export interface TierFill extends TierWrite {
  /** What must still stand at the key: the lease, or the entry that is refreshed. */
  readonly identity: string
  /** From the lease, in µs. */
  readonly at: number
  /** The lease beside the entry, which goes in the same step. */
  readonly beside: { readonly key: string; readonly identity: string } | undefined
}

/**
 * Where entries stand, as text of the wire format and by Redis key. Its calls reject with a
 * `CorralError` when the tier cannot answer.
 */
export interface Tier {
  readonly kind: 'remote' | 'memory'
  readonly clock: Clock
  /** Whether a call made now would be tried. */
  readonly available: boolean
  /** The clock by which an entry ends, in epoch milliseconds; our own while the server's is not known. */
  readonly now: (redisKey: string) => number
  readonly get: (redisKey: string) => Promise<Stored | null>
  /** As `get`, told by call-back, where that saves a promise. */
  readonly ask?: (redisKey: string, asker: Asker) => void
  readonly getMany: (
    redisKeys: readonly string[],
    onPartialFailure?: OnPartialFailure,
  ) => Promise<(Stored | null)[]>
  /** Stores, whatever stands there. */
  readonly set: (redisKey: string, tail: string, ttlMs: number) => Promise<unknown>
  /** Whether each was stored. */
  readonly setMany: (
    writes: readonly TierWrite[],
    onPartialFailure?: OnPartialFailure,
  ) => Promise<boolean[]>
  /** Resolves when the key is known to be gone. */
  readonly delete: (redisKey: string) => Promise<unknown>
  /** Whether each is known to be gone. */
  readonly deleteMany: (
    redisKeys: readonly string[],
    onPartialFailure?: OnPartialFailure,
  ) => Promise<boolean[]>
  /**
   * Takes the lease at a key that holds nothing, or the entry with the identity `dead`. Rejects with
   * `WRONG_TYPE` and `REDIS_FULL` as well.
   */
  readonly lease: (
    redisKey: string,
    token: string,
    ttlMs: number,
    dead: string,
  ) => Promise<LeaseReply>
  /** Takes the lease beside the entry with this identity, which stays readable. */
  readonly refresh: (
    redisKey: string,
    token: string,
    ttlMs: number,
    identity: string,
  ) => Promise<RefreshReply>
  /** False: what had to stand there does no more, and nothing was stored. */
  readonly fill: (fill: TierFill) => Promise<boolean>
  /** Takes away what has this identity: a lease that is given back, garbage. */
  readonly remove: (redisKey: string, identity: string) => Promise<boolean>
  /** Gives a lease that still stands another end. */
  readonly extend: (redisKey: string, identity: string, ttlMs: number) => Promise<boolean>
  /** False: there is no entry. */
  readonly expire: (redisKey: string, ttlMs: number) => Promise<boolean>
  /** Rejects with `WRONG_TYPE` where no integer stands. */
  readonly increment: (redisKey: string, request: IncrementRequest) => Promise<IncrementReply>
  /** Milliseconds left; `Infinity` without an end, `undefined` when absent. */
  readonly remaining: (redisKey: string) => Promise<number | undefined>
  readonly usage: () => Promise<TierUsage>
  readonly health: () => Promise<ConnectionHealth>
  readonly close: () => Promise<void>
}

/** What a tier holds. */
export interface TierUsage {
  readonly keys: number | undefined
  readonly memory: number | undefined
  readonly reconnectAttempts: number
}
