import { CorralError } from '@corral/connection'

/** Every code that `@corral/locks` adds to those of `@corral/connection`. `docs/errors.md` has cause and cure. */
export const locksCodes = [
  'LOCK_TIMEOUT',
  'LOCK_LOST',
  'LOCK_NOT_REPLICATED',
  'FENCE_REFUSED',
] as const

export type LocksCode = (typeof locksCodes)[number]

/**
 * Why a wait for a lock ended without it.
 *
 * - `held`: others held it all the time
 * - `late`: it was got, but so late that its time was over; it was given back
 */
export type TimeoutReason = 'held' | 'late'

/** @param what the lock, for the message */
export function lockTimeout(
  what: string,
  waitMs: number,
  reason: TimeoutReason,
): CorralError<'LOCK_TIMEOUT'> {
  const why = reason === 'held' ? 'others hold it' : 'Redis answered after its ttl'
  return new CorralError('LOCK_TIMEOUT', `${what}: not got within ${waitMs} ms (${why})`, {
    reason,
  })
}

/**
 * Why a lock is no longer held.
 *
 * - `expired`: its ttl ran out here, by the monotonic clock
 * - `taken`: Redis says that it is not this token's any more
 */
export type LossReason = 'expired' | 'taken'

export function lockLost(what: string, reason: LossReason): CorralError<'LOCK_LOST'> {
  const why = reason === 'expired' ? 'its ttl ran out' : 'Redis knows another holder or none'
  return new CorralError('LOCK_LOST', `${what}: the lock was lost (${why})`, { reason })
}

export function notReplicated(
  what: string,
  wanted: number,
  got: number,
): CorralError<'LOCK_NOT_REPLICATED'> {
  return new CorralError(
    'LOCK_NOT_REPLICATED',
    `${what}: ${got} of ${wanted} replicas had it in time; it was given back`,
  )
}

export function closed(): CorralError<'CONNECTION_CLOSED'> {
  return new CorralError('CONNECTION_CLOSED', 'these locks were closed')
}

export function fenceRefused(what: string, fencingToken: number): CorralError<'FENCE_REFUSED'> {
  return new CorralError(
    'FENCE_REFUSED',
    `${what}: fencing token ${fencingToken} is older than the newest that claimed it`,
  )
}
