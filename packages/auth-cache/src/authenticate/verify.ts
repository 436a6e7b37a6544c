/** What a verifier says of a good token. */
export interface AuthIdentity {
  /** Whose token it is: what `revokeUser` goes by. */
  readonly userId: string
  /** When the token ends, epoch milliseconds, where it does not say so itself. */
  readonly expiresAt?: number
}

export interface VerifyContext {
  /** Aborts at `verifyTimeout`. */
  readonly signal: AbortSignal
}

/**
 * Finds out at the source whether a token is good. Gives the identity, or `undefined` or `null` for
 * a bad one; what it throws means that it could not find out (see `isInvalid`). The identity is
 * stored as JSON, so it must not hold the token.
 */
export type Verify<T extends AuthIdentity> = (
  token: string,
  context: VerifyContext,
) => Promise<T | undefined | null> | T | undefined | null
