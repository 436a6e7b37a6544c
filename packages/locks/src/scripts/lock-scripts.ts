import type { EachScript } from '@corral/connection'

/**
 * The scripts of one kind of lock. All kinds take the same arguments and answer alike; what is the
 * same for most calls of a process is packed into one argument, which a script reads once per batch.
 *
 * - `attempt`: token; `<ttl ms> <again> <trust> <keep ms> <capacity> <mode> <channel>` (channel: where
 *   it waits in line, '' = it does not; again: 1 if it may stand there already). Takes the lock or what
 *   was handed to this token, else waits in line. Answers its fence, or `[ms until it can be free,
 *   holder's ttl ms, holder's token, handed until]`. An empty token takes nothing: it only passes on
 *   what nobody claimed.
 * - `release`: token ('' = whoever holds it); `<trust> <capacity> <mode>` (a mutex, which needs no
 *   capacity, has its keep ms there), and if anything is to be done but to give it back also ` <token to pass it to> <its ttl ms> <first> <own channel> <entry>`
 *   (`-` = none; first: 1 if it may come before those who wait in line; own: whose waiters may be
 *   served by the reply; entry: to take out of the line). Answers 0 not held, 1 released, `[2, token,
 *   fence, ttl ms]` now held by that token of the caller's, `[3, token, until]` handed to a waiter
 *   elsewhere who has until then to claim it.
 * - `extend`: token, ttl ms, keep ms, mode, '1' to claim what was handed over. Answers the fence, or 0.
 * - `inspect`: nothing. Answers `[waiting, last fence, token, ms left, token, ms left …]`.
 */
export interface LockScripts {
  readonly attempt: EachScript
  readonly release: EachScript
  readonly extend: EachScript
  readonly inspect: EachScript
}

export const ATTEMPT_ARGS = 2
export const RELEASE_ARGS = 2
export const EXTEND_ARGS = 5
