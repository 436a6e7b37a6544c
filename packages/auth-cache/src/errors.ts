import { CorralError } from '@corral/connection'

/**
 * Every code that `@corral/auth-cache` adds to those of `@corral/connection` and `@corral/core`.
 * `docs/errors.md` has cause and cure.
 */
export const authCacheCodes = [
  'TOKEN_INVALID',
  'TOKEN_REVOKED',
  'AUTH_UNAVAILABLE',
  'REVOCATION_PENDING',
] as const

export type AuthCacheCode = (typeof authCacheCodes)[number]

/** Why a token is invalid; `rejected`: the verifier said so. */
export type InvalidReason =
  | 'missing'
  | 'too-large'
  | 'malformed'
  | 'unsigned'
  | 'expired'
  | 'not-yet-valid'
  | 'rejected'

/** Answer 401: the token will not get better. */
export function tokenInvalid(reason: InvalidReason): CorralError<'TOKEN_INVALID'> {
  return new CorralError('TOKEN_INVALID', `the token is not valid: ${reason}`, { reason })
}

/** Answer 401: the token, its user, or everybody was revoked. */
export function tokenRevoked(): CorralError<'TOKEN_REVOKED'> {
  return new CorralError('TOKEN_REVOKED', 'the token was revoked')
}

/**
 * Why nobody could say whether a token is good. `verifier`: it threw; `timeout`: it did not answer
 * within `verifyTimeout`; `overloaded`: too many verifications wait, or for too long; `redis`: revocations
 * cannot be read and `onUnavailable` is `'refuse'`, or Redis went away again after one was read;
 * `not-removed`: Redis did not acknowledge a removal; `closed`: the auth cache is closed.
 */
export type AuthUnavailableReason =
  | 'verifier'
  | 'timeout'
  | 'overloaded'
  | 'redis'
  | 'not-removed'
  | 'closed'

const unavailableText: Readonly<Record<AuthUnavailableReason, string>> = {
  verifier: 'the verifier failed; nothing is known about the token',
  timeout: 'the verifier did not answer within verifyTimeout',
  overloaded: 'too many verifications are waiting (maxWaiting), or for too long (verifyTimeout)',
  redis: 'revocations cannot be read while Redis is away',
  'not-removed':
    'Redis did not acknowledge the removal; this process serves it no more, others may until Redis is back',
  closed: 'the auth cache is closed',
}

/** Answer 503: it says nothing about the token. */
export function authUnavailable(
  reason: AuthUnavailableReason,
  cause?: unknown,
): CorralError<'AUTH_UNAVAILABLE'> {
  const text = unavailableText[reason]
  return new CorralError('AUTH_UNAVAILABLE', `authentication is unavailable: ${text}`, {
    reason,
    ...(cause !== undefined && { cause }),
  })
}

/** Redis did not acknowledge a revocation: it holds in this process, and is sent again until `close`. */
export function revocationPending(
  what: 'token' | 'user' | 'all',
  cause: unknown,
): CorralError<'REVOCATION_PENDING'> {
  return new CorralError(
    'REVOCATION_PENDING',
    `the revocation (${what}) was not acknowledged by Redis: it holds in this process and is sent again, other processes may not know of it yet`,
    { reason: what, cause },
  )
}
