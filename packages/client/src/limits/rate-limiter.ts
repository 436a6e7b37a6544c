import {
  type Connection,
  isCorralError,
  ownKey,
  type Script,
  systemClock,
} from '@corral/connection'
import { type ClientBase, requireBase } from '../client-base.ts'
import { subjectTag } from '../keys/subject-tag.ts'
import { traceChannel } from '../trace.ts'
import { createBlockedSubjects } from './blocked-subjects.ts'
import { createLocalLimiter } from './local-limiter.ts'
import {
  type Engine,
  manyRulesScript,
  type Mode,
  type RuleScripts,
  ruleScripts,
} from './lua/limit-script.ts'
import { forgetScript } from './lua/forget-script.ts'
import { type RateLimiterOptions, type ResolvedRateOptions, resolveRateOptions } from './options.ts'
import { count } from './rate-rule.ts'
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

/** Made when first needed: their text is long, and most services use one or two. */
const scripts = new Map<Engine, RuleScripts>()

function scriptsOf(engine: Engine): RuleScripts {
  const known = scripts.get(engine) ?? ruleScripts(engine)
  scripts.set(engine, known)
  return known
}

const manyScripts = new Map<Mode, Script>()

function manyScriptOf(mode: Mode): Script {
  const known = manyScripts.get(mode) ?? manyRulesScript(mode)
  manyScripts.set(mode, known)
  return known
}

/** @throws TypeError or RangeError naming option, rule and received value */
export function createRateLimiter(base: ClientBase, options: RateLimiterOptions): RateLimiter {
  requireBase(base)
  const resolved = resolveRateOptions(options)
  const { name, keyName, rules, onUnavailable, localShare, countRejected, blockLocally } = resolved
  const { connection, namespace } = base
  const clock = connection?.clock ?? systemClock
  const local = createLocalLimiter(rules, connection === undefined ? 1 : localShare, clock)
  const callOptions =
    resolved.deadlineMs === undefined ? undefined : { deadlineMs: resolved.deadlineMs }
  const most = Math.min(...rules.map(({ quota }) => quota))
  const blocked =
    connection === undefined || countRejected || !blockLocally
      ? undefined
      : createBlockedSubjects(connection, `corral:limit:${namespace}:${keyName}`)
  const [only, ...others] = rules
  const takeMode: Mode = countRejected ? 'count-all' : 'take'
  const own = scriptsOf(only.engine)

  // As `ownKey('limit', tag, …)`, whose checks would cost more than the rest of a call.
  const keyEnds = limitKeyEnds(rules, keyName)
  const [onlyEnd] = keyEnds
  const headOf = (subject: string): string =>
    `corral:limit:{${subjectTag(namespace, subject, 'subject')}`

  function keysOf(subject: string): string[] {
    const head = headOf(subject)
    return keyEnds.map((end) => head + end)
  }

  async function ask(
    from: Connection,
    subject: string,
    cost: number,
    mode: Mode,
  ): Promise<RateLimitResult> {
    requireCost(cost)
    const askedAt = clock.now()
    const resets = blocked?.resets ?? 0
    let result: RateLimitResult
    try {
      const reply =
        others.length === 0
          ? from.scriptEach(
              own[mode],
              headOf(subject) + onlyEnd,
              [only.text, costText(cost)],
              callOptions,
            )
          : from.script(
              manyScriptOf(mode),
              keysOf(subject),
              rules.flatMap((rule) => [rule.engine, rule.text, cost]),
              callOptions,
            )
      result = resultOf(rules, (await reply) as number[])
    } catch (error) {
      return decideAlone(error, subject, cost, mode)
    }
    if (!result.allowed && mode === 'take') blocked?.add(subject, cost, result, askedAt, resets)
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
    if (onUnavailable === 'local') return local.consume(subject, cost, mode !== 'peek')
    const allowed = onUnavailable === 'allow'
    // Nobody knows; a second keeps callers from hammering, whichever field they go by.
    const wait = allowed ? 0 : 1
    return {
      allowed,
      limit: only.quota,
      remaining: allowed ? only.quota : 0,
      count: 0,
      resetAt: clock.wallNow() + wait * 1000,
      resetAfter: wait,
      retryAfter: wait,
      source: 'policy',
      rule: 0,
    }
  }

  function tell(result: RateLimitResult): void {
    if (!trace.hasSubscribers) return
    const { allowed, source } = result
    trace.publish({ namespace, limiter: name, allowed, source })
  }

  function requireCost(cost: number): void {
    if (cost !== 1) count(cost, 'cost', most)
  }

  /** Without Redis. */
  async function askHere(subject: string, cost: number, mode: Mode): Promise<RateLimitResult> {
    requireCost(cost)
    subjectTag(namespace, subject, 'subject')
    const result = local.consume(subject, cost, mode !== 'peek')
    tell(result)
    return result
  }

  function checked(subject: string, cost: number, mode: Mode): Promise<RateLimitResult> {
    return connection === undefined
      ? askHere(subject, cost, mode)
      : ask(connection, subject, cost, mode)
  }

  return {
    name,
    consume(subject, cost = 1) {
      const known = blocked?.get(subject, cost)
      if (known === undefined) return checked(subject, cost, takeMode)
      if (trace.hasSubscribers) tellBlocked()
      return known
    },
    peek: (subject, cost = 1) => checked(subject, cost, 'peek'),
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

/**
 * What follows the hash tag in the key of each rule. The algorithm comes first, as each has a form of its
 * own; the rule's place behind it is in no algorithm's name, so no two limiters meet in one key.
 */
function limitKeyEnds(rules: ResolvedRateOptions['rules'], keyName: string): string[] {
  return rules.map(({ algorithm }, place) => {
    const kind = rules.length === 1 ? algorithm : `${algorithm}.${place}`
    return ownKey('limit', 'tag', kind, keyName).slice('corral:limit:{tag'.length)
  })
}

/** Nearly every call costs 1: a text is written as it is, a number turned into one first. */
function costText(cost: number): string {
  return cost === 1 ? '1' : String(cost)
}
