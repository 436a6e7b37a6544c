import type { ResolvedRule } from './rate-rule.ts'

/** What a limiter said about a call. */
export interface RateLimitResult {
  /** The one thing to branch on: `remaining` may be 0 on the last call that passed. */
  readonly allowed: boolean
  /** Most at once or per window. */
  readonly limit: number
  /** How much passes now, after this call. Of several rules, of the one that decides. */
  readonly remaining: number
  /** How much has been counted; rejected calls are not, unless asked for. */
  readonly count: number
  /** Epoch ms of the server's clock at which nothing counts any more, if nobody calls. */
  readonly resetAt: number
  /** Seconds, to 3 decimals, until {@link resetAt}; for headers, as no two clocks agree. */
  readonly resetAfter: number
  /** Seconds, to 3 decimals, after which the same call passes if nobody else calls; 0 when allowed. */
  readonly retryAfter: number
  /** Who decided: Redis (or what it said before, where that is exact), this process, or the policy. */
  readonly source: 'redis' | 'local' | 'policy'
  /** Which rule decides, in the order of `limits`. */
  readonly rule: number
}

/** Smallest number of whole milliseconds that hold `micros`, in seconds. */
export function secondsOf(micros: number): number {
  return Math.ceil(micros / 1000) / 1000
}

/** What a script tells of each rule: count, wait µs, reset µs; after the last rule comes its time. */
const FIELDS = 3

/** Reads the numbers that a script gave for each rule, and finds the rule that decides. */
export function resultOf(
  rules: readonly ResolvedRule[],
  reply: readonly number[],
): RateLimitResult {
  let decides = 0
  let longest = 0
  let least = Infinity
  for (let rule = 0; rule < rules.length; rule++) {
    const wait = reply[rule * FIELDS + 1]!
    const left = 1 - reply[rule * FIELDS]! / rules[rule]!.quota
    // Of those that reject the one that does so longest, else the one with the least left.
    if (wait > longest || (longest === 0 && wait === 0 && left < least)) decides = rule
    longest = Math.max(longest, wait)
    least = Math.min(least, left)
  }
  const { quota } = rules[decides]!
  const count = reply[decides * FIELDS]!
  const reset = reply[decides * FIELDS + 2]!
  const now = reply[rules.length * FIELDS]!
  return {
    allowed: longest === 0,
    limit: quota,
    remaining: Math.max(0, quota - count),
    count,
    resetAt: Math.ceil((now + reset) / 1000),
    resetAfter: secondsOf(reset),
    retryAfter: secondsOf(longest),
    source: 'redis',
    rule: decides,
  }
}
