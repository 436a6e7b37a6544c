import type { ResolvedRule } from './rate-rule.ts'
import type { RateLimitResult } from './rate-limit-result.ts'

/** Header fields by name, in lower case. */
export type RateLimitHeaders = Readonly<Record<string, string>>

/**
 * `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers has them since its 8th
 * version, `Retry-After` on a rejection (RFC 9110), and the classic `X-RateLimit-*` trio, whose reset
 * is in seconds from now.
 *
 * @example `ratelimit-policy: "api";q=100;w=60` `ratelimit: "api";r=41;t=18`
 */
export function rateLimitHeaders(
  name: string,
  rules: readonly ResolvedRule[],
  result: RateLimitResult,
): RateLimitHeaders {
  const { allowed, limit, remaining, retryAfter } = result
  const nameOf = (index: number): string =>
    rules.length === 1 ? `"${name}"` : `"${name}-${index}"`
  const policy = rules
    .map(({ limit: perWindow, windowMs, quota }, i) => {
      // `r` must not pass `q`: a burst above the limit is told with the time in which it drains.
      const most = Math.max(perWindow, quota)
      const seconds = (windowMs * most) / perWindow / 1000
      return `${nameOf(i)};q=${most};w=${Math.max(1, Math.ceil(seconds))}`
    })
    .join(', ')
  const wait = Math.ceil(result.resetAfter)
  return {
    'ratelimit-policy': policy,
    ratelimit: `${nameOf(result.rule)};r=${remaining};t=${wait}`,
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(wait),
    ...(allowed ? {} : { 'retry-after': String(Math.max(1, Math.ceil(retryAfter))) }),
  }
}
