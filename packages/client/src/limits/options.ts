import {
  describeValue,
  type Duration,
  toMilliseconds,
  toShortMilliseconds,
} from '@corral/connection'
import type { Engine } from './lua/limit-script.ts'

/**
 * How calls are counted.
 *
 * - `fixed-window`: from the first call on; cheapest, lets up to twice the limit through around a border
 * - `sliding-window`: two counters weighted by time; smooth, an estimate
 * - `sliding-log`: remembers every call; exact in any stretch of time; limit up to 10 000
 * - `token-bucket`, `gcra`: `limit` per `window` at an even rate, `burst` at once; two names of one rule
 */
export type RateAlgorithm =
  | 'fixed-window'
  | 'sliding-window'
  | 'sliding-log'
  | 'token-bucket'
  | 'gcra'

/**
 * Who decides when Redis cannot: away, hanging past the deadline, or full.
 *
 * - `local`: this process counts for itself, up to `localShare` of the limit per window
 * - `allow`: everything passes
 * - `deny`: nothing passes
 */
export type OnUnavailable = 'local' | 'allow' | 'deny'

/** One limit. */
export interface RateRule {
  readonly algorithm: RateAlgorithm
  /** Most calls (or cost) per window. 1 to 1 000 000 000; `sliding-log` to 10 000. */
  readonly limit: number
  /** A {@link Duration} from 1 ms to 366 days. */
  readonly window: Duration
  /** `token-bucket` and `gcra`: most at once. 1 to 1 000 000 000. @defaultValue `limit` */
  readonly burst?: number
  /** `fixed-window`: windows start at whole multiples of `window` in UTC. @defaultValue false */
  readonly aligned?: boolean
}

/** What all limiters share. */
export interface LimiterPolicy {
  /**
   * Tells this limiter's counts from others of the same namespace, and stands in the headers.
   *
   * @defaultValue made of its rules: limiters with equal rules then share their counts
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

/** A rule in the numbers that its engine takes; see the Lua of each. */
export interface ResolvedRule {
  readonly algorithm: RateAlgorithm
  readonly engine: Engine
  readonly limit: number
  readonly windowMs: number
  /** Most at once: what `remaining` counts down from. */
  readonly quota: number
  readonly a: number
  readonly b: number
  readonly c: number
  /** `a:b:c`, as the scripts take it. */
  readonly text: string
  /** For keys and headers. */
  readonly signature: string
}

export interface ResolvedPolicy {
  readonly name: string
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

const YEAR_MS = 366 * 86_400_000
const MOST = 1_000_000_000
const POLICY = ['name', 'onUnavailable', 'localShare', 'deadline'] as const
const RATE_POLICY = [...POLICY, 'countRejected', 'blockLocally'] as const
const RULE = ['algorithm', 'limit', 'window', 'burst', 'aligned'] as const
const ALGORITHMS: readonly string[] = [
  'fixed-window',
  'sliding-window',
  'sliding-log',
  'token-bucket',
  'gcra',
] satisfies RateAlgorithm[]

/** @throws TypeError or RangeError naming option, rule and received value */
export function resolveRateOptions(options: RateLimiterOptions): ResolvedRateOptions {
  requireObject(options, 'rateLimiter options')
  const many = 'limits' in options
  requireKnown(options, many ? [...RATE_POLICY, 'limits'] : [...RATE_POLICY, ...RULE])
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
    requireKnown(rule, RULE)
    return resolveRule(rule, `limits[${index}].`)
  })
}

/** Checks one rule and turns it into the numbers of its engine. */
export function resolveRule(rule: RateRule, at: string): ResolvedRule {
  const { algorithm, burst, aligned } = rule
  if (!ALGORITHMS.includes(algorithm)) {
    throw new TypeError(
      `${at}algorithm: must be one of ${ALGORITHMS.join(', ')}, concurrency, received ${describeValue(algorithm)}`,
    )
  }
  const limit = count(rule.limit, `${at}limit`, algorithm === 'sliding-log' ? 10_000 : MOST)
  const windowMs = span(rule.window, `${at}window`)
  const bucket = algorithm === 'token-bucket' || algorithm === 'gcra'
  if (burst !== undefined && !bucket) {
    throw new TypeError(
      `${at}burst: belongs to token-bucket and gcra, received ${describeValue(burst)}`,
    )
  }
  if (aligned !== undefined && algorithm !== 'fixed-window') {
    throw new TypeError(`${at}aligned: belongs to fixed-window, received ${describeValue(aligned)}`)
  }
  const windowMicros = Math.round(windowMs * 1000)
  const quota = burst === undefined ? limit : count(burst, `${at}burst`, MOST)
  const common = { algorithm, limit, windowMs, quota, a: quota }
  const signature = `${algorithm}-${limit}-${windowMs}`
  if (bucket) {
    const name = quota === limit ? signature : `${signature}-${quota}`
    const { b, c } = drain(limit, windowMicros, quota)
    requireExact(quota * b, burst === undefined ? `${at}limit` : `${at}burst`, quota)
    return { ...common, engine: 'bucket', b, c, text: `${quota}:${b}:${c}`, signature: name }
  }
  if (algorithm === 'sliding-window') requireExact(limit * windowMicros, `${at}limit`, limit)
  return {
    ...common,
    engine: aligned === true ? 'aligned-window' : algorithm,
    b: windowMicros,
    c: 0,
    text: `${quota}:${windowMicros}:0`,
    signature: aligned === true ? `${signature}-aligned` : signature,
  }
}

/**
 * `b` units per call, `c` units per µs, so that `limit` calls drain in a window: exact, or, where
 * the level would pass 2^53, a little slower than asked (under 1 µs per call), never faster.
 */
function drain(limit: number, windowMicros: number, quota: number): { b: number; c: number } {
  const divisor = greatestCommonDivisor(limit, windowMicros)
  const b = windowMicros / divisor
  const c = limit / divisor
  if (quota * b <= EXACT) return { b, c }
  return { b: Math.ceil(windowMicros / limit), c: 1 }
}

/** Scripts add two such products, and all whole numbers up to 2^53 are exact. */
const EXACT = 2 ** 52

function requireExact(product: number, option: string, value: number): void {
  if (product <= EXACT) return
  throw new RangeError(
    `${option}: too large for this window, scripts could not count exactly; take a shorter window or fixed-window, received ${value}`,
  )
}

function greatestCommonDivisor(x: number, y: number): number {
  return y === 0 ? x : greatestCommonDivisor(y, x % y)
}

function resolvePolicy(options: LimiterPolicy, fallbackName: string): ResolvedPolicy {
  const { name = fallbackName, onUnavailable = 'local', localShare = 1, deadline } = options
  if (typeof name !== 'string' || !/^[\w.:+-]{1,100}$/.test(name)) {
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
  return { name, onUnavailable, localShare, deadlineMs }
}

/** @throws RangeError when it is no whole number from 1 to `most` */
export function count(value: number, option: string, most: number = MOST): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new RangeError(
    `${option}: must be a whole number from 1 to ${most}, received ${describeValue(value)}`,
  )
}

/** @throws RangeError outside 1 ms to 366 days */
export function span(value: Duration, option: string): number {
  const ms = toMilliseconds(value, option)
  if (ms >= 1 && ms <= YEAR_MS) return ms
  throw new RangeError(
    `${option}: must lie from '1ms' to '366 days', received ${describeValue(value)}`,
  )
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
