import { describeValue, toMilliseconds, type Duration } from '@corral/connection'

/** How long an entry lives: seconds, a string such as `'5m'`, or `'forever'` by name. */
export type Ttl = Duration | 'forever'

/** Redis counts in 64-bit milliseconds since 1970; nobody caches for longer than this. */
export const longestTtlMs: number = 100 * 365 * 24 * 3_600_000

/** The few strings that a program writes, so that each is parsed once. */
const parsed = new Map<string, number>()
const mostParsed = 1_000

/**
 * Milliseconds of a {@link Ttl}; `Infinity` for `'forever'`.
 *
 * @throws TypeError or RangeError naming option, rule and value
 */
export function ttlMilliseconds(ttl: Ttl, option = 'ttl'): number {
  if (typeof ttl === 'string') {
    const known = parsed.get(ttl)
    if (known !== undefined) return known
  }
  if (ttl === Infinity) {
    throw new RangeError(
      `${option}: must be finite ('forever' keeps an entry without end), received Infinity`,
    )
  }
  const ms = ttl === 'forever' ? Infinity : bounded(toMilliseconds(ttl, option), ttl, option)
  if (typeof ttl === 'string' && parsed.size < mostParsed) parsed.set(ttl, ms)
  return ms
}

function bounded(ms: number, ttl: Ttl, option: string): number {
  if (ms === 0) {
    throw new RangeError(
      `${option}: must be more than 0 ('forever' keeps an entry without end), received ${describeValue(ttl)}`,
    )
  }
  if (ms > longestTtlMs) {
    throw new RangeError(
      `${option}: must be at most 100 years ('forever' keeps an entry without end), received ${describeValue(ttl)}`,
    )
  }
  return ms
}
