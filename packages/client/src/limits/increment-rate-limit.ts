import { isCorralError, ownKey, systemClock } from '@corral/connection'
import type { Duration } from '@corral/connection'
import { type ClientBase, requireBase } from '../client-base.ts'
import { subjectTag } from '../keys/subject-tag.ts'
import { traceChannel } from '../trace.ts'
import { createLocalLimiter, type LocalLimiter } from './local-limiter.ts'
import { ruleScripts } from './lua/limit-script.ts'
import { resolveRule, type ResolvedRule } from './rate-rule.ts'
import { resultOf, type RateLimitResult } from './rate-limit-result.ts'

const trace = traceChannel('corral:client:limit')

const script = ruleScripts('fixed-window').take

/**
 * Counts one call of `key` in a window that begins with its first call, if there is room: a rejected
 * call does not count. Branch on `allowed`: `remaining` is 0 already on the last call that passed.
 *
 * While Redis cannot answer, this process counts by itself.
 */
export type IncrementRateLimit = (
  key: string,
  windowSeconds: Duration,
  limit: number,
) => Promise<RateLimitResult>

/** Most pairs of window and limit that are kept ready. */
const MOST_RULES = 1_000

/** @throws TypeError naming option, rule and received value */
export function createIncrementRateLimit(base: ClientBase): IncrementRateLimit {
  requireBase(base)
  const { connection, namespace } = base
  const known = new Map<string, { rule: ResolvedRule; local: LocalLimiter }>()
  const clock = connection?.clock ?? systemClock

  function ruleOf(window: Duration, limit: number): { rule: ResolvedRule; local: LocalLimiter } {
    const id = `${window} ${limit}`
    const found = known.get(id)
    if (found !== undefined) return found
    const rule = resolveRule({ algorithm: 'fixed-window', limit, window }, '')
    const made = { rule, local: createLocalLimiter([rule], 1, clock) }
    if (known.size >= MOST_RULES) known.clear()
    known.set(id, made)
    return made
  }

  return async (key, windowSeconds, limit) => {
    const { rule, local } = ruleOf(windowSeconds, limit)
    const tag = subjectTag(namespace, key, 'key')
    if (connection === undefined) return told(local.consume(key, 1, true))
    try {
      const own = ownKey('limit', tag, 'increment', String(rule.windowMs))
      const reply = await connection.scriptEach(script, own, [rule.text, '1'])
      return told(resultOf([rule], reply as number[]))
    } catch (error) {
      if (!isCorralError(error, 'REDIS_UNAVAILABLE') && !isCorralError(error, 'REDIS_FULL'))
        throw error
      return told(local.consume(key, 1, true))
    }
  }

  function told(result: RateLimitResult): RateLimitResult {
    const { allowed, source } = result
    if (trace.hasSubscribers) trace.publish({ namespace, limiter: 'increment', allowed, source })
    return result
  }
}
