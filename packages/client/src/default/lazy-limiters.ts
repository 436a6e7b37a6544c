import type { ConcurrencyLimiter } from '../limits/concurrency-limiter.ts'
import {
  type ConcurrencyOptions,
  type RateLimiterOptions,
  resolveConcurrencyOptions,
  resolveRateOptions,
} from '../limits/options.ts'
import { rateLimitHeaders } from '../limits/rate-limit-headers.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'

/**
 * A limiter that is made with its first call.
 *
 * @throws TypeError or RangeError at once, naming option, rule and received value
 */
export function lazyRateLimiter(
  limiterOf: () => RateLimiter,
  options: RateLimiterOptions,
): RateLimiter {
  const { name, rules } = resolveRateOptions(options)
  let used: RateLimiter | undefined
  const limiter = (): RateLimiter => (used = limiterOf())
  return {
    name,
    consume: async (...call) => limiter().consume(...call),
    peek: async (...call) => limiter().peek(...call),
    reset: async (subject) => limiter().reset(subject),
    headers: (result) => rateLimitHeaders(name, rules, result),
    close: () => used?.close(),
  }
}

/** As {@link lazyRateLimiter}. */
export function lazyConcurrencyLimiter(
  limiterOf: () => ConcurrencyLimiter,
  options: ConcurrencyOptions,
): ConcurrencyLimiter {
  const { name } = resolveConcurrencyOptions(options)
  return {
    name,
    acquire: async (subject) => limiterOf().acquire(subject),
    using: async (subject, fn) => limiterOf().using(subject, fn),
    count: async (subject) => limiterOf().count(subject),
  }
}
