import { describeValue, type Duration, toMilliseconds } from '@corral/connection'
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

export const RULE_OPTIONS: readonly (keyof RateRule)[] = [
  'algorithm',
  'limit',
  'window',
  'burst',
  'aligned',
]
const YEAR_MS = 366 * 86_400_000
const MOST = 1_000_000_000
const ALGORITHMS: readonly string[] = [
  'fixed-window',
  'sliding-window',
  'sliding-log',
  'token-bucket',
  'gcra',
] satisfies RateAlgorithm[]

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
