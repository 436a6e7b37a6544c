import { tokenInvalid } from '../errors.ts'
import type { ResolvedAuthOptions } from '../options.ts'
import type { Digests } from './digests.ts'
import { looksLikeJwt, readJwt, type JwtReading } from './jwt.ts'

/** A token that may be asked about, as all other parts know it: the text itself goes to verifiers alone. */
export interface Presented {
  /** Under which its records stand, the one to write with first. */
  readonly digests: readonly string[]
  /**
   * By which it is revoked. Of a JWT without its signature: an ECDSA signature has a second form
   * that is as valid, and must not bring a revoked token back.
   */
  readonly revocations: readonly string[]
  /** Epoch milliseconds from which on it must not be served from a cache; `Infinity` if it does not say. */
  readonly cacheableUntil: number
  /** Epoch milliseconds of its end as it says itself; `Infinity` if it does not say. */
  readonly endsAt: number
  /** Seconds since 1970. */
  readonly issuedAt: number | undefined
  /** Too early for it, if only by the clocks' difference: being refused now says nothing about later. */
  readonly early: boolean
}

/**
 * @param anyTime does not look at the clock: for a token that is to be refused later, too
 * @throws CorralError `TOKEN_INVALID` for a token that no verifier needs to see
 */
export type InspectToken = (token: string, anyTime?: boolean) => Presented

const loneSurrogate = /\p{Surrogate}/u

export function createInspectToken(
  options: Pick<ResolvedAuthOptions, 'maxTokenBytes' | 'jwt' | 'skewMs'>,
  digests: Digests,
  wallNow: () => number,
): InspectToken {
  const { maxTokenBytes, jwt, skewMs } = options

  function claimsOf(token: string): Exclude<JwtReading, string> | undefined {
    if (jwt === 'never' || (jwt === 'auto' && !looksLikeJwt(token))) return undefined
    const reading = readJwt(token)
    if (reading === 'encrypted') return undefined
    if (typeof reading === 'string') throw tokenInvalid(reading)
    return reading
  }

  return function inspect(token, anyTime = false) {
    if (typeof token !== 'string' || token === '') throw tokenInvalid('missing')
    if (token.length > maxTokenBytes || Buffer.byteLength(token) > maxTokenBytes) {
      throw tokenInvalid('too-large')
    }
    // Two of them would become one text in UTF-8, and so one digest.
    if (loneSurrogate.test(token)) throw tokenInvalid('malformed')
    const claims = claimsOf(token)
    const own = digests.of(token)
    if (claims === undefined) {
      return {
        digests: own,
        revocations: own,
        cacheableUntil: Infinity,
        endsAt: Infinity,
        issuedAt: undefined,
        early: false,
      }
    }
    const { exp, nbf, iat, signingInput } = claims
    const now = wallNow()
    const endsAt = exp === undefined ? Infinity : exp * 1_000
    const startsAt = nbf === undefined ? -Infinity : nbf * 1_000
    if (!anyTime && now >= endsAt + skewMs) throw tokenInvalid('expired')
    if (!anyTime && now < startsAt - skewMs) throw tokenInvalid('not-yet-valid')
    return {
      digests: own,
      revocations: digests.of(signingInput),
      cacheableUntil: endsAt - skewMs,
      endsAt,
      issuedAt: iat,
      early: now < startsAt + skewMs,
    }
  }
}
