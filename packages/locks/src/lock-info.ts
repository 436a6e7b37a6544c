import type { Clock } from '@corral/connection'
import type { Snapshot } from './engine/replies.ts'

/** One hold, as Redis knows it. */
export interface Holder {
  readonly token: string
  /** Epoch ms of this machine at which it ends unless extended. */
  readonly expiresAt: number
  /** Seconds until then. */
  readonly ttl: number
}

/** What Redis knows of a lock. */
export interface LockInfo {
  /** What made it: `acquire` and `fair`, `readWrite`, or `semaphore`. */
  readonly kind: 'mutex' | 'readWrite' | 'semaphore'
  /** Undefined when it was too long to be kept in the key. */
  readonly name: string | undefined
  readonly held: boolean
  readonly holders: readonly Holder[]
  /** The last fencing token that was given out; undefined when none is remembered. */
  readonly fencingToken: number | undefined
  /** Places in the line; those who wait in one process may share one. */
  readonly waiting: number
}

export function lockInfo(
  { kind, name }: Pick<LockInfo, 'kind' | 'name'>,
  snapshot: Snapshot,
  clock: Clock,
): LockInfo {
  const now = clock.wallNow()
  return {
    kind,
    name,
    held: snapshot.holders.length > 0,
    holders: snapshot.holders.map(({ token, leftMs }) => ({
      token,
      expiresAt: now + leftMs,
      ttl: leftMs / 1000,
    })),
    fencingToken: snapshot.fence,
    waiting: snapshot.waiting,
  }
}
