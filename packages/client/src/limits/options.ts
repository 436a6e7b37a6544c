import { describeValue, type Duration, toShortMilliseconds } from '@corral/connection'
import {
  count,
  type RateRule,
  type ResolvedRule,
  resolveRule,
  RULE_OPTIONS,
  span,
} from './rate-rule.ts'

/**
 * Who decides when Redis cannot: away, hanging past the deadline, or full.
 *
 * - `local`: this process counts for itself, up to `localShare` of the limit per window
 * - `allow`: everything passes
 * - `deny`: nothing passes
 */
export type OnUnavailable = 'local' | 'allow' | 'deny'

/** What all limiters share. */
export interface LimiterPolicy {
  /**
   * Tells this limiter's counts from others of the same algorithm and namespace, and stands in the
   * headers.
   *
   * @defaultValue made of its rules: limiters with equal rules and no name then share their counts
   */
  readonly name?: string
  /** @defaultValue 'local' */
  readonly onUnavailable?: OnUnavailable
  /**
   * Share of the limit that one process admits by itself under `onUnavailable: 'local'`; 1 divided
   * by the number of processes keeps the sum. Over 0 up to 1. @defaultValue 1
   */
  readonly localShare?: number
  /** How long a call may take before `onUnavailable` decides. @defaultValue the connection's deadline */
  readonly deadline?: Duration
}

export interface RatePolicy extends LimiterPolicy {
  /** Whether a rejected call counts too. @defaultValue false */
  readonly countRejected?: boolean
  /**
   * Whether this process answers for a subject that is known to be blocked, without asking Redis.
   * Only done where it is exact: not with `countRejected`, and only while signals tell about resets.
   *
   * @defaultValue true
   */
  readonly blockLocally?: boolean
}

/** One limit. */
export interface SingleRateOptions extends RatePolicy, RateRule {}

/** Several limits, checked in one step: a call passes all of them or counts in none. */
export interface ManyRateOptions extends RatePolicy {
  /** 1 to 8 rules. */
  readonly limits: readonly RateRule[]
}

/** How many at once. */
export interface ConcurrencyOptions extends LimiterPolicy {
  readonly algorithm: 'concurrency'
  /** Most leases at once. 1 to 100 000. */
  readonly limit: number
  /** How long a lease lives unless extended: when its process dies, it is free again after that. @defaultValue '30s' */
  readonly lease?: Duration
}

export type RateLimiterOptions = SingleRateOptions | ManyRateOptions

export interface ResolvedPolicy {
  readonly name: string
  /** The name as it stands in keys: no name that is given can be one that is made of rules. */
  readonly keyName: string
  readonly onUnavailable: OnUnavailable
  readonly localShare: number
  /** Undefined: the connection's own. */
  readonly deadlineMs: number | undefined
}

export interface ResolvedRateOptions extends ResolvedPolicy {
  readonly rules: readonly [ResolvedRule, ...ResolvedRule[]]
  readonly countRejected: boolean
  readonly blockLocally: boolean
}

export interface ResolvedConcurrencyOptions extends ResolvedPolicy {
  readonly limit: number
  readonly leaseMs: number
}

const POLICY = ['name', 'onUnavailable', 'localShare', 'deadline'] as const
const RATE_POLICY = [...POLICY, 'countRejected', 'blockLocally'] as const
/** @throws TypeError when there are no options */
export function isConcurrency(
  options: ConcurrencyOptions | RateLimiterOptions,
): options is ConcurrencyOptions {
  requireObject(options, 'rateLimiter options')
  return 'algorithm' in options && options.algorithm === 'concurrency'
}

/** @throws TypeError or RangeError naming option, rule and received value */
export function resolveRateOptions(options: RateLimiterOptions): ResolvedRateOptions {
  requireObject(options, 'rateLimiter options')
  const many = 'limits' in options
  requireKnown(options, many ? [...RATE_POLICY, 'limits'] : [...RATE_POLICY, ...RULE_OPTIONS])
  const { countRejected = false, blockLocally = true } = options
  requireBoolean(countRejected, 'countRejected')
  requireBoolean(blockLocally, 'blockLocally')
  const rules = many ? resolveRules(options.limits) : [resolveRule(options, '')]
  const [first, ...rest] = rules
  if (first === undefined || rest.length > 7) {
    throw new RangeError(`limits: must hold 1 to 8 rules, received ${rules.length}`)
  }
  const fallback = rules.map(({ signature }) => signature).join('+')
  return {
    ...resolvePolicy(options, fallback),
    rules: [first, ...rest],
    countRejected,
    blockLocally,
  }
}

/** @throws TypeError or RangeError naming option, rule and received value */
export function resolveConcurrencyOptions(options: ConcurrencyOptions): ResolvedConcurrencyOptions {
  requireObject(options, 'rateLimiter options')
  requireKnown(options, [...POLICY, 'algorithm', 'limit', 'lease'])
  const leaseMs = span(options.lease ?? '30s', 'lease')
  const limit = count(options.limit, 'limit', 100_000)
  return { ...resolvePolicy(options, `concurrency-${limit}`), limit, leaseMs }
}

function resolveRules(limits: readonly RateRule[]): ResolvedRule[] {
  if (!Array.isArray(limits)) {
    throw new TypeError(`limits: must be an array of rules, received ${describeValue(limits)}`)
  }
  return (limits as readonly RateRule[]).map((rule, index) => {
    requireObject(rule, `limits[${index}]`)
    requireKnown(rule, RULE_OPTIONS)
    return resolveRule(rule, `limits[${index}].`)
  })
}

function resolvePolicy(options: LimiterPolicy, fallbackName: string): ResolvedPolicy {
  const { name, onUnavailable = 'local', localShare = 1, deadline } = options
  if (name !== undefined && (typeof name !== 'string' || !/^[\w.:+-]{1,100}$/.test(name))) {
    throw new TypeError(
      `name: must be 1 to 100 letters, digits or one of _ . : + -, received ${describeValue(name)}`,
    )
  }
  if (!['local', 'allow', 'deny'].includes(onUnavailable)) {
    throw new TypeError(
      `onUnavailable: must be 'local', 'allow' or 'deny', received ${describeValue(onUnavailable)}`,
    )
  }
  if (!(localShare > 0 && localShare <= 1)) {
    throw new RangeError(
      `localShare: must be over 0 and at most 1, received ${describeValue(localShare)}`,
    )
  }
  const deadlineMs = deadline === undefined ? undefined : toShortMilliseconds(deadline, 'deadline')
  if (deadlineMs !== undefined && !(deadlineMs >= 1 && deadlineMs <= 60_000)) {
    throw new RangeError(
      `deadline: must lie from '1ms' to '60s', received ${describeValue(deadline)}`,
    )
  }
  const names = { name: name ?? fallbackName, keyName: name ?? `~${fallbackName}` }
  return { ...names, onUnavailable, localShare, deadlineMs }
}

function requireBoolean(value: boolean, option: string): void {
  if (typeof value === 'boolean') return
  throw new TypeError(`${option}: must be true or false, received ${describeValue(value)}`)
}

function requireObject(value: unknown, option: string): void {
  if (typeof value === 'object' && value !== null) return
  throw new TypeError(`${option}: must be an object, received ${describeValue(value)}`)
}

function requireKnown(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new TypeError(`${name}: is no option here (${known.join(', ')})`)
    }
  }
}
