import { asShared } from '../records/as-shared.ts'
import type { AuthRecord } from '../records/records.ts'
import type { Presented } from '../tokens/inspect-token.ts'
import type { Verified } from './verified.ts'

/** Epoch milliseconds from which on it must not be served from a cache. */
export function cacheableUntil(
  presented: Presented,
  { expiresAt }: Verified,
  skewMs: number,
): number {
  return Math.min(presented.cacheableUntil, expiresAt - skewMs)
}

/** What is kept of a verifier's answer. */
export function recordOf(
  presented: Presented,
  at: number,
  verified: Verified,
  skewMs: number,
): AuthRecord {
  const { identity } = verified
  const { issuedAt } = presented
  const until = cacheableUntil(presented, verified, skewMs)
  return {
    at,
    ...(until !== Infinity && { until }),
    ...(issuedAt !== undefined && { iat: issuedAt }),
    user: identity.userId,
    data: identity,
  }
}

/** As it would come out of the cache: callers share it. */
export function asStored(record: AuthRecord): AuthRecord {
  return asShared(JSON.parse(JSON.stringify(record)) as AuthRecord)
}
