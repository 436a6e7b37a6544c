import type { ClientBase } from '../client-base.ts'
import { type ConcurrencyLimiter, createConcurrencyLimiter } from './concurrency-limiter.ts'
import {
  type ConcurrencyOptions,
  isConcurrency,
  type RateLimiterOptions,
  resolveConcurrencyOptions,
  resolveRateOptions,
} from './options.ts'
import { createRateLimiter, type RateLimiter } from './rate-limiter.ts'

/** Limiters by their options: whoever asks for the same gets the same. */
export interface KeptLimiters {
  limiter(options: ConcurrencyOptions): ConcurrencyLimiter
  limiter(options: RateLimiterOptions): RateLimiter
  /** Closes those that are kept, and each that is made from now on. */
  close(): void
}

/** Most that are kept, for services that make options of what they read (a limit per customer, say). */
const MOST = 1_000

export function createKeptLimiters(base: ClientBase): KeptLimiters {
  let closed = false
  /** Options as they were given, which are quick to write, to those in one order and unit. */
  const forms = createKept<string>()
  const places = createKept<ConcurrencyLimiter>()
  const rates = createKept<RateLimiter>((limiter) => limiter.close())

  function limiter(given: ConcurrencyOptions): ConcurrencyLimiter
  function limiter(given: RateLimiterOptions): RateLimiter
  function limiter(
    given: ConcurrencyOptions | RateLimiterOptions,
  ): ConcurrencyLimiter | RateLimiter {
    if (isConcurrency(given)) {
      const form = forms.get(JSON.stringify(given), () =>
        JSON.stringify(resolveConcurrencyOptions(given)),
      )
      return places.get(form, () => createConcurrencyLimiter(base, given))
    }
    const form = forms.get(JSON.stringify(given), () => JSON.stringify(resolveRateOptions(given)))
    return rates.get(form, () => {
      const made = createRateLimiter(base, given)
      if (closed) made.close()
      return made
    })
  }

  return {
    limiter,
    close() {
      closed = true
      for (const each of rates.values()) each.close()
      for (const kept of [forms, places, rates]) kept.clear()
    },
  }
}

/** What was asked for last; past {@link MOST} the one that nobody asked for the longest is let go. */
function createKept<T>(letGo?: (value: T) => void) {
  const known = new Map<string, T>()
  let newest: string | undefined
  return {
    get(key: string, make: () => T): T {
      const found = known.get(key)
      if (found !== undefined && key === newest) return found
      const value = found ?? make()
      known.delete(key)
      known.set(key, value)
      newest = key
      if (known.size > MOST) {
        const [oldest] = known.keys()
        const gone = known.get(oldest!)!
        known.delete(oldest!)
        letGo?.(gone)
      }
      return value
    },
    values: () => known.values(),
    clear: () => known.clear(),
  }
}
