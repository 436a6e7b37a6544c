import type { Clock, ConnectionHealth, CorralError } from '@corral/connection'

/** Told of a part of a bulk call that failed. Left out: the whole call rejects. */
export type OnPartialFailure = (error: CorralError) => void

/** One entry on its way into a tier. */
export interface TierWrite {
  readonly redisKey: string
  /** What `encodeEntry` made of the value. */
  readonly tail: string
  /** `Infinity` for no end. */
  readonly ttlMs: number
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
  readonly get: (redisKey: string) => Promise<string | null>
  readonly getMany: (
    redisKeys: readonly string[],
    onPartialFailure?: OnPartialFailure,
  ) => Promise<(string | null)[]>
  /** Stores, whatever stands there. */
  readonly set: (redisKey: string, tail: string, ttlMs: number) => Promise<unknown>
  /** As `set`, but rejects with `WRONG_TYPE` where another type than a string stands. */
  readonly fill: (redisKey: string, tail: string, ttlMs: number) => Promise<unknown>
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
