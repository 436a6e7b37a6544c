import type { ResolvedRule } from './options.ts'
import { FIELDS_PER_RULE } from './lua/limit-script.ts'

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

/** Reads the numbers that a script gave for each rule, and finds the rule that decides. */
export function resultOf(
  rules: readonly ResolvedRule[],
  reply: readonly number[],
): RateLimitResult {
  let rule = 0
  let allowed = true
  let wait = -1
  for (let i = 0; i < rules.length; i++) {
    const at = i * FIELDS_PER_RULE
    const admitted = reply[at] === 1
    if (!admitted && (allowed || reply[at + 3]! > wait)) {
      rule = i
      wait = reply[at + 3]!
    } else if (allowed && admitted && shareLeft(i) < shareLeft(rule)) rule = i
    allowed &&= admitted
  }
  const at = rule * FIELDS_PER_RULE
  return {
    allowed,
    limit: rules[rule]!.quota,
    remaining: reply[at + 2]!,
    count: reply[at + 1]!,
    resetAt: Math.ceil(reply[at + 4]! / 1000),
    resetAfter: secondsOf(reply[at + 4]! - reply[rules.length * FIELDS_PER_RULE]!),
    retryAfter: allowed ? 0 : secondsOf(wait),
    source: 'redis',
    rule,
  }

  function shareLeft(index: number): number {
    return reply[index * FIELDS_PER_RULE + 2]! / rules[index]!.quota
  }
}
