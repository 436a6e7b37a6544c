import type { EachScript } from '@corral/connection'

/**
 * The scripts of one kind of lock. All kinds take the same arguments and answer alike:
 *
 * - `attempt`: token, ttl ms, entry ('' = do not wait), '1' if the entry may be queued already, keep
 *   ms, trust, capacity, mode. Takes the lock or what was handed to this token, else waits in line.
 *   Answers `[1, fence]` or `[0, ms until it can be free, holder's ttl ms, holder's token, handed]`.
 *   An empty token takes nothing: it only passes on what nobody claimed.
 * - `release`: token ('' = whoever holds it), token and ttl ms to pass it to ('' = none), '1' if that
 *   may come before those who wait in line, channel that may be handed to by the reply ('' = none),
 *   entry to take out of the line ('' = none), trust, capacity, mode. Answers `[0]` not held, `[1]`
 *   released, `[2, token, fence, ttl ms]` now held by that token of the caller's, `[3, token, until]`
 *   handed to a waiter elsewhere who has until then to claim it.
 * - `extend`: token, ttl ms, keep ms, mode, '1' to claim what was handed over. Answers `[1, fence]`
 *   or `[0]`.
 * - `inspect`: nothing. Answers `[waiting, last fence, token, ms left, token, ms left …]`.
 */
export interface LockScripts {
  readonly attempt: EachScript
  readonly release: EachScript
  readonly extend: EachScript
  readonly inspect: EachScript
}

export const ATTEMPT_ARGS = 8
export const RELEASE_ARGS = 9
export const EXTEND_ARGS = 5
