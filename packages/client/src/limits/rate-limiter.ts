import { type Connection, isCorralError, ownKey, systemClock } from '@corral/connection'
import type { ClientBase } from '../client-base.ts'
import { subjectTag } from '../keys/subject-tag.ts'
import { traceChannel } from '../trace.ts'
import { createBlockedSubjects } from './blocked-subjects.ts'
import { createLocalLimiter } from './local-limiter.ts'
import { manyRulesScript, type Mode, singleRuleScript, type Engine } from './lua/limit-script.ts'
import { forgetScript } from './lua/forget-script.ts'
import { count, type RateLimiterOptions, resolveRateOptions } from './options.ts'
import { rateLimitHeaders, type RateLimitHeaders } from './rate-limit-headers.ts'
import { resultOf, type RateLimitResult } from './rate-limit-result.ts'

const trace = traceChannel('corral:client:limit')

/** Admits so many calls per time and subject, over all processes that share the Redis. */
export interface RateLimiter {
  readonly name: string
  /**
   * Counts a call of `subject` (a user's id, an address) if there is room for it. Never rejects because
   * Redis is away or full: `onUnavailable` decides then, within the deadline.
   *
   * @param cost how much of the limit it takes; a whole number up to the limit. Default 1
   * @throws RangeError for a cost that could never pass
   */
  consume(subject: string, cost?: number): Promise<RateLimitResult>
  /** What `consume` would say now; counts nothing. */
  peek(subject: string, cost?: number): Promise<RateLimitResult>
  /**
   * Forgets what was counted for a subject.
   *
   * @throws CorralError `REDIS_UNAVAILABLE`
   */
  reset(subject: string): Promise<void>
  /** The `RateLimit-*` and `Retry-After` header fields of a result. */
  headers(result: RateLimitResult): RateLimitHeaders
  /** Stops listening for resets. The limiter goes on to work, asking Redis each time. */
  close(): void
}

const scripts: Readonly<Record<Engine, ReturnType<typeof singleRuleScript>>> = {
  'fixed-window': singleRuleScript('fixed-window'),
  'sliding-window': singleRuleScript('sliding-window'),
  'sliding-log': singleRuleScript('sliding-log'),
  bucket: singleRuleScript('bucket'),
}
const manyScript = manyRulesScript()

/** @throws TypeError or RangeError naming option, rule and received value */
export function createRateLimiter(base: ClientBase, options: RateLimiterOptions): RateLimiter {
  const resolved = resolveRateOptions(options)
  const { name, rules, onUnavailable, localShare, countRejected, blockLocally } = resolved
  const { connection, namespace } = base
  const clock = connection?.clock ?? systemClock
  const local = createLocalLimiter(rules, connection === undefined ? 1 : localShare, clock)
  const callOptions =
    resolved.deadlineMs === undefined ? undefined : { deadlineMs: resolved.deadlineMs }
  const most = Math.min(...rules.map(({ quota }) => quota))
  const blocked =
    connection === undefined || countRejected || !blockLocally
      ? undefined
      : createBlockedSubjects(connection, `corral:limit:${namespace}:${name}`)
  const [only, ...others] = rules
  const takeMode: Mode = countRejected ? 2 : 0

  function keysOf(subject: string): string[] {
    const tag = subjectTag(namespace, subject, 'subject')
    if (others.length === 0) return [ownKey('limit', tag, name)]
    return rules.map((_, index) => ownKey('limit', tag, name, String(index)))
  }

  async function ask(
    from: Connection,
    subject: string,
    cost: number,
    mode: Mode,
  ): Promise<RateLimitResult> {
    const askedAt = clock.now()
    const resets = blocked?.resets ?? 0
    let result: RateLimitResult
    try {
      const keys = keysOf(subject)
      const { a, b, c } = only
      const reply =
        others.length === 0
          ? from.scriptEach(scripts[only.engine], keys[0]!, [a, b, c, cost, mode], callOptions)
          : from.script(
              manyScript,
              keys,
              rules.flatMap((rule) => [rule.engine, rule.a, rule.b, rule.c, cost, mode]),
              callOptions,
            )
      result = resultOf(rules, (await reply) as number[])
    } catch (error) {
      return decideAlone(error, subject, cost, mode)
    }
    if (!result.allowed && mode === 0) blocked?.add(subject, cost, result, askedAt, resets)
    tell(result)
    return result
  }

  function decideAlone(error: unknown, subject: string, cost: number, mode: Mode): RateLimitResult {
    if (!isCorralError(error, 'REDIS_UNAVAILABLE') && !isCorralError(error, 'REDIS_FULL'))
      throw error
    const result = alone(subject, cost, mode)
    tell(result)
    return result
  }

  function alone(subject: string, cost: number, mode: Mode): RateLimitResult {
    if (onUnavailable === 'local') return local.consume(subject, cost, mode !== 1)
    const allowed = onUnavailable === 'allow'
    return {
      allowed,
      limit: only.quota,
      remaining: allowed ? only.quota : 0,
      count: 0,
      resetAt: clock.wallNow(),
      resetAfter: 0,
      // Nobody knows; a second keeps callers from hammering.
      retryAfter: allowed ? 0 : 1,
      source: 'policy',
      rule: 0,
    }
  }

  function tell(result: RateLimitResult): void {
    if (!trace.hasSubscribers) return
    const { allowed, source } = result
    trace.publish({ namespace, limiter: name, allowed, source })
  }

  function checked(subject: string, cost: number, mode: Mode): Promise<RateLimitResult> {
    if (cost !== 1) count(cost, 'cost', most)
    if (connection === undefined) {
      subjectTag(namespace, subject, 'subject')
      const result = local.consume(subject, cost, mode !== 1)
      tell(result)
      return Promise.resolve(result)
    }
    return ask(connection, subject, cost, mode)
  }

  return {
    name,
    consume(subject, cost = 1) {
      const known = blocked?.get(subject, cost)
      if (known === undefined) return checked(subject, cost, takeMode)
      if (trace.hasSubscribers) tellBlocked()
      return known
    },
    peek: (subject, cost = 1) => checked(subject, cost, 1),
    async reset(subject) {
      const keys = keysOf(subject)
      local.reset(subject)
      if (connection === undefined) return
      await connection.script(forgetScript, keys, [], callOptions)
      blocked?.delete(subject)
      await blocked?.announce(subject)
    },
    headers: (result) => rateLimitHeaders(name, rules, result),
    close: () => blocked?.close(),
  }

  function tellBlocked(): void {
    trace.publish({ namespace, limiter: name, allowed: false, source: 'redis' })
  }
}
