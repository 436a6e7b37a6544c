import type { Clock } from '@corral/connection'
import { shortSubject } from '../keys/subject-tag.ts'
import type { RateLimitResult } from './rate-limit-result.ts'
import type { ResolvedRule } from './rate-rule.ts'

/** Counts in this process alone, while Redis cannot. */
export interface LocalLimiter {
  consume(subject: string, cost: number, take: boolean): RateLimitResult
  reset(subject: string): void
}

interface Windows {
  /** One per rule. */
  readonly startedAt: number[]
  readonly counts: number[]
}

/** Most subjects counted at a time; the one that came first is forgotten for one more. */
const MOST_SUBJECTS = 10_000

/**
 * A fixed window from a subject's first call on, whatever the algorithm: in no window does this process
 * admit more than its share of the limit. Of a bucket the window is as long as its share of the burst
 * takes to drain, so that a small burst does not become the limit of the whole window.
 */
export function createLocalLimiter(
  rules: readonly ResolvedRule[],
  share: number,
  clock: Clock,
): LocalLimiter {
  const subjects = new Map<string, Windows>()
  const shares = rules.map(({ quota }) => Math.max(1, Math.floor(quota * share)))
  const windows = rules.map(({ engine, limit, windowMs }, i) =>
    engine === 'bucket' ? (windowMs * shares[i]!) / (limit * share) : windowMs,
  )

  function windowsOf(subject: string): Windows {
    const known = subjects.get(subject)
    if (known !== undefined) return known
    if (subjects.size >= MOST_SUBJECTS) {
      for (const oldest of subjects.keys()) {
        subjects.delete(oldest)
        break
      }
    }
    const made = { startedAt: rules.map(() => -Infinity), counts: rules.map(() => 0) }
    subjects.set(subject, made)
    return made
  }

  return {
    consume(subject, cost, take) {
      const now = clock.now()
      const { startedAt, counts } = windowsOf(shortSubject(subject))
      let wait = 0
      let rule = 0
      for (const [i, windowMs] of windows.entries()) {
        if (now >= startedAt[i]! + windowMs) {
          startedAt[i] = now
          counts[i] = 0
        }
        const left = startedAt[i]! + windowMs - now
        if (counts[i]! + cost > shares[i]! && left > wait) {
          wait = left
          rule = i
        }
      }
      const allowed = wait === 0
      for (const i of rules.keys()) if (allowed && take) counts[i]! += cost
      if (allowed) {
        const left = (i: number): number => (shares[i]! - counts[i]!) / shares[i]!
        for (const i of rules.keys()) if (left(i) < left(rule)) rule = i
      }
      const resetIn = startedAt[rule]! + windows[rule]! - now
      return {
        allowed,
        limit: shares[rule]!,
        remaining: Math.max(0, shares[rule]! - counts[rule]!),
        count: counts[rule]!,
        resetAt: Math.ceil(clock.wallNow() + resetIn),
        resetAfter: Math.ceil(resetIn) / 1000,
        retryAfter: Math.ceil(wait) / 1000,
        source: 'local',
        rule,
      }
    },
    reset: (subject) => void subjects.delete(shortSubject(subject)),
  }
}
