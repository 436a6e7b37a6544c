import {
  type ConnectionSource,
  describeValue,
  type Duration,
  type StatsSource,
  toMilliseconds,
  toShortMilliseconds,
} from '@corral/connection'
import { requireOptions } from '../require-options.ts'
import type { TotalName } from './totals-script.ts'

/** Options of `createFleetTotals`. */
export interface FleetTotalsOptions {
  /** A cache of `createCache`, whose hits and misses are added from now on. */
  readonly cache: StatsSource<Readonly<Record<TotalName, number>>> & {
    readonly connection?: ConnectionSource | undefined
  }
  /**
   * Where the totals are kept: what `shareConnection` takes. It is never closed.
   * @defaultValue what the cache rides on
   */
  readonly connection?: ConnectionSource
  /**
   * Whose totals they are: processes of one name add to the same. Not empty, without braces and
   * white space. @defaultValue the namespace of the cache
   */
  readonly name?: string
  /** How often a change is sent, at most. 100 ms to an hour. @defaultValue '1s' */
  readonly flushEvery?: Duration
  /** How long `close` tries to deliver what is left. Up to a minute. @defaultValue '5s' */
  readonly closeWithin?: Duration
}

export interface ResolvedFleetTotalsOptions {
  readonly cache: FleetTotalsOptions['cache']
  readonly connection: ConnectionSource
  readonly name: string
  readonly flushEveryMs: number
  readonly closeWithinMs: number
}

const known: readonly string[] = [
  'cache',
  'connection',
  'name',
  'flushEvery',
  'closeWithin',
] satisfies (keyof FleetTotalsOptions)[]

/** @throws TypeError or RangeError naming option, rule and received value */
export function resolveFleetOptions(options: FleetTotalsOptions): ResolvedFleetTotalsOptions {
  requireOptions(options, 'createFleetTotals', known)
  const { cache } = options
  if (typeof cache?.counts !== 'function' || typeof cache.source?.name !== 'string') {
    throw new TypeError(`cache: must have source and counts(), received ${describeValue(cache)}`)
  }
  const { connection = cache.connection } = options
  if (connection === undefined) {
    throw new TypeError('connection: must be given for a cache without one, received undefined')
  }
  const flushEveryMs = toMilliseconds(options.flushEvery ?? '1s', 'flushEvery')
  if (flushEveryMs < 100 || flushEveryMs > 3_600_000) {
    throw new RangeError(
      `flushEvery: must be 100 ms to an hour, received ${describeValue(options.flushEvery)}`,
    )
  }
  const closeWithinMs = toShortMilliseconds(options.closeWithin ?? '5s', 'closeWithin')
  if (closeWithinMs > 60_000) {
    throw new RangeError(
      `closeWithin: must be at most a minute, received ${describeValue(options.closeWithin)}`,
    )
  }
  const name = options.name ?? cache.source.name
  if (typeof name !== 'string' || !/^[^{}\s\p{Cc}\p{Surrogate}]+$/u.test(name)) {
    throw new TypeError(
      `name: must be text without braces, white space and control characters, received ${describeValue(name)}`,
    )
  }
  return { cache, connection, name, flushEveryMs, closeWithinMs }
}
