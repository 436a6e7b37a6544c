import { checkUserId } from '../user-id.ts'
import type { AuthIdentity } from './verify.ts'

/** A verifier's answer, checked. */
export interface Verified {
  /** A copy, as it comes out of the cache: what was given may have getters, a `toJSON`, cycles. */
  readonly identity: AuthIdentity
  /** When it says that its token ends, epoch milliseconds. */
  readonly expiresAt: number
}

/** Shorter ones stand in many texts by chance. */
const LEAST_TELLING_TOKEN = 16

/**
 * Checks what a verifier gave for a token.
 *
 * @throws TypeError that quotes nothing of it
 */
export function checkVerified(given: unknown, token: string): Verified {
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(
      `verify: must give an object with userId, or undefined, received ${typeof given}`,
    )
  }
  const text = textOf(given)
  const identity: unknown = text === undefined ? undefined : JSON.parse(text)
  if (text === undefined || typeof identity !== 'object' || identity === null) {
    throw new TypeError(
      'verify: must give an object that JSON can hold (no cycle, no BigInt), received another',
    )
  }
  const { userId, expiresAt } = identity as Record<keyof AuthIdentity, unknown>
  checkUserId(userId, 'verify: userId')
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) {
    throw new TypeError(
      `verify: expiresAt must be epoch milliseconds, received ${typeof expiresAt}`,
    )
  }
  if (holds(text, token)) {
    throw new TypeError('verify: what it gives is stored, and must not hold the token')
  }
  return {
    identity: identity as AuthIdentity,
    expiresAt: (expiresAt as number | undefined) ?? Infinity,
  }
}

/** Getters and `toJSON` are the verifier's, and what they throw may quote the token. */
function textOf(value: object): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

/** Whether the token stands in a text of JSON; a short one as a string of its own. */
function holds(text: string, token: string): boolean {
  const quoted = JSON.stringify(token)
  return text.includes(token.length < LEAST_TELLING_TOKEN ? quoted : quoted.slice(1, -1))
}
