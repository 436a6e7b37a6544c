import {
  type Clock,
  describeValue,
  type Duration,
  systemClock,
  toMilliseconds,
} from '@corral/connection'
import { type GroupOf, type GroupRule, groupByPrefix, safely } from './groups/group-rules.ts'
import type { MeasuredCache, MeasuredConnection, MeasuredLocks } from './measured.ts'
import { requireOptions } from './require-options.ts'

/** What to measure, and how. At least one of `cache`, `connection` and `locks`. */
export interface MetricsOptions {
  /** A cache of `createCache`. */
  readonly cache?: MeasuredCache
  /**
   * A connection of `shareConnection` or `openConnection`: breaker, commands.
   * @defaultValue the one that the cache rides on
   */
  readonly connection?: MeasuredConnection
  /** A lock service of `createLocks`. */
  readonly locks?: MeasuredLocks
  /**
   * The label `cache` of all figures, so that those of two caches stand beside each other.
   * 1 to 100 characters. @defaultValue the namespace of the cache, else `'default'`
   */
  readonly name?: string
  /**
   * Counts by group of keys as well: rules by prefix, the first that fits wins, or a function.
   * Keys without a group count as `other`. Left out: no groups.
   */
  readonly groups?: readonly GroupRule[] | GroupOf
  /** Groups beyond so many count as `other`. 1 to 1 000. @defaultValue 50 */
  readonly maxGroups?: number
  /**
   * How old the count of all held locks may be. Asking walks all keys of Redis. At least a second;
   * `false`: never ask. @defaultValue '15s'
   */
  readonly askLocksEvery?: Duration | false
  /** Where time comes from. @defaultValue the machine's clock */
  readonly clock?: Clock
}

/** {@link MetricsOptions} with every default filled in and every rule checked. */
export interface ResolvedMetricsOptions {
  readonly cache: MeasuredCache | undefined
  readonly connection: MeasuredConnection | undefined
  readonly locks: MeasuredLocks | undefined
  readonly name: string
  readonly groupOf: ((key: string) => string) | undefined
  readonly maxGroups: number
  /** `Infinity`: never. */
  readonly askLocksEveryMs: number
  readonly clock: Clock
}

const known: readonly string[] = [
  'cache',
  'connection',
  'locks',
  'name',
  'groups',
  'maxGroups',
  'askLocksEvery',
  'clock',
] satisfies (keyof MetricsOptions)[]

/**
 * Checks the options of `createMetrics`; runs once.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveMetricsOptions(options: MetricsOptions): ResolvedMetricsOptions {
  requireOptions(options, 'createMetrics', known)
  const { cache, locks, groups, maxGroups = 50, clock = systemClock } = options
  const connection = options.connection ?? connectionOf(cache)
  if (cache === undefined && connection === undefined && locks === undefined) {
    throw new TypeError('options: need at least one of cache, connection and locks')
  }
  requireParts('cache', cache, 'createCache', ['counts'])
  requireParts('connection', connection, 'shareConnection', ['health'])
  requireParts('locks', locks, 'createLocks', ['stats', 'list'])
  const name = options.name ?? cache?.source.name ?? 'default'
  if (typeof name !== 'string' || name === '' || name.length > 100) {
    throw new TypeError(`name: must be 1 to 100 characters, received ${describeValue(name)}`)
  }
  if (!Number.isInteger(maxGroups) || maxGroups < 1 || maxGroups > 1_000) {
    throw new RangeError(
      `maxGroups: must be a whole number from 1 to 1000, received ${describeValue(maxGroups)}`,
    )
  }
  return {
    cache,
    connection,
    locks,
    name,
    groupOf: groups === undefined ? undefined : safely(groupRules(groups)),
    maxGroups,
    askLocksEveryMs: askEvery(options.askLocksEvery ?? '15s'),
    clock,
  }
}

/** A cache of `createCache` has it; one in memory has none. */
function connectionOf(cache: object | null | undefined): MeasuredConnection | undefined {
  const { connection } = (cache ?? {}) as { readonly connection?: MeasuredConnection }
  return typeof connection?.health === 'function' ? connection : undefined
}

function requireParts(
  option: string,
  value: object | undefined,
  maker: string,
  methods: readonly string[],
): void {
  if (value === undefined) return
  const parts = (value ?? {}) as Readonly<Record<string, unknown>>
  const { source } = parts as { readonly source?: { readonly name?: unknown } }
  if (typeof source?.name === 'string' && methods.every((m) => typeof parts[m] === 'function')) {
    return
  }
  const names = ['source', ...methods.map((method) => `${method}()`)].join(' and ')
  throw new TypeError(
    `${option}: must have ${names}, as what ${maker} makes, received ${describeValue(value)}`,
  )
}

function groupRules(groups: readonly GroupRule[] | GroupOf): GroupOf {
  if (typeof groups === 'function') return groups
  const fits =
    Array.isArray(groups) &&
    groups.every((rule) => typeof rule?.name === 'string' && typeof rule.prefix === 'string')
  if (!fits) {
    throw new TypeError(
      `groups: must be a function or an array of { name, prefix }, received ${describeValue(groups)}`,
    )
  }
  return groupByPrefix(groups as readonly GroupRule[])
}

function askEvery(value: Duration | false): number {
  if (value === false) return Infinity
  const ms = toMilliseconds(value, 'askLocksEvery')
  if (ms >= 1_000) return ms
  throw new RangeError(`askLocksEvery: must be at least 1 second, received ${describeValue(value)}`)
}
