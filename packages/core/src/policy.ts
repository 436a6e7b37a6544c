import {
  describeValue,
  toMilliseconds,
  toShortMilliseconds,
  type Duration,
} from '@corral/connection'
import { longestTtlMs, ttlMilliseconds, type Ttl } from './entry/ttl.ts'
import { isStandardSchema, type StandardSchema } from './schema/standard-schema.ts'

/** Who may load a key while others, in other processes too, wait for the value. */
export interface LeaseOptions {
  /**
   * How long a lease stands without a sign of life. It is prolonged while its loader runs, so a loader
   * may take longer; after a killed one others go on when it ends. 100 ms to 60 s. @defaultValue '5s'
   */
  readonly ttl?: Duration
  /** How long one attempt waits for another's value before it looks by itself. Up to 60 s. @defaultValue '5s' */
  readonly wait?: Duration
  /** How many times to wait. 1 to 1,000. @defaultValue 1 */
  readonly attempts?: number
  /**
   * What a caller does that has waited so often in vain.
   *
   * - `'load'`: loads by itself; its value is handed out and not stored
   * - `'throw'`: rejects with `LEASE_TIMEOUT`
   * - `'fallback'`: gives `fallback`
   *
   * @defaultValue 'load'
   */
  readonly onTimeout?: 'load' | 'throw' | 'fallback'
}

/** How entries live and how they are loaded. What a call says goes before what its cache says. */
export interface PolicyOptions {
  /** How long an entry is fresh. Over 0, up to 100 years, or `'forever'`. @defaultValue '1h' */
  readonly ttl?: Ttl
  /** Share of the ttl, 0 to 1, by which an entry's life is shortened at random. @defaultValue 0 */
  readonly jitter?: number
  /** How long after its ttl a value is still served at once while it is loaded anew behind. Up to 100 years. @defaultValue 0 */
  readonly staleWhileRevalidate?: Duration
  /** How long after its ttl a value is served when loading fails or another process is at it. Up to 100 years. @defaultValue 0 */
  readonly staleIfError?: Duration
  /** XFetch's beta: over 0 a fresh value may be loaded anew before its end; 1 is usual. 0 to 100. @defaultValue 0 */
  readonly earlyRefresh?: number
  /** How long a load may take before a stale value inside `staleIfError` is served; it goes on. Up to 1 day. @defaultValue none */
  readonly softTimeout?: Duration
  /** How long a load may take before the caller is told `LOAD_TIMEOUT`; it goes on. Up to 1 day. @defaultValue none */
  readonly hardTimeout?: Duration
  readonly lease?: LeaseOptions
  /** Names by which `invalidateTags` kills the entry. At most 1,000. @defaultValue none */
  readonly tags?: readonly string[]
}

/** Options of `set`. */
export type SetOptions = Pick<
  PolicyOptions,
  'ttl' | 'jitter' | 'staleWhileRevalidate' | 'staleIfError' | 'tags'
>

/** Options of `getOrSet`. */
export interface GetOrSetOptions<T = unknown> extends PolicyOptions {
  /** Given instead of an error of the loader or a time-out, and not stored; or a function that makes it. */
  readonly fallback?: T | ((error: unknown) => T)
  /** Whether a loaded value may be stored. */
  readonly filter?: (value: T) => boolean
  /** Checked on what is read and on what is loaded; a stored value that fails is loaded anew. */
  readonly schema?: StandardSchema
  /** Loads whatever is there, and stores the value. */
  readonly forceFresh?: boolean
  /** Ends the wait of this caller; the load goes on while anybody else waits for it. */
  readonly signal?: AbortSignal
}

/** {@link GetOrSetOptions}, checked and completed. */
export interface Policy {
  ttlMs: number
  jitter: number
  swrMs: number
  sieMs: number
  beta: number
  /** `Infinity`: none. */
  softMs: number
  hardMs: number
  leaseMs: number
  waitMs: number
  attempts: number
  onTimeout: 'load' | 'throw' | 'fallback'
  tags: readonly string[]
  fallback: unknown
  filter: ((value: never) => boolean) | undefined
  schema: StandardSchema | undefined
  forceFresh: boolean
  signal: AbortSignal | undefined
}

const builtIn: Policy = {
  ttlMs: 3_600_000,
  jitter: 0,
  swrMs: 0,
  sieMs: 0,
  beta: 0,
  softMs: Infinity,
  hardMs: Infinity,
  leaseMs: 5_000,
  waitMs: 5_000,
  attempts: 1,
  onTimeout: 'load',
  tags: [],
  fallback: undefined,
  filter: undefined,
  schema: undefined,
  forceFresh: false,
  signal: undefined,
}

type Rule = (policy: Policy, value: never) => void
type Rules = Readonly<Record<string, Rule>>

const rules: { readonly [Name in keyof Required<PolicyOptions>]: Rule } = {
  ttl: (policy, value: Ttl) => (policy.ttlMs = ttlMilliseconds(value)),
  jitter: (policy, value: number) => (policy.jitter = numberIn(value, 'jitter', 0, 1)),
  staleWhileRevalidate: (policy, value: Duration) =>
    (policy.swrMs = window(value, 'staleWhileRevalidate')),
  staleIfError: (policy, value: Duration) => (policy.sieMs = window(value, 'staleIfError')),
  earlyRefresh: (policy, value: number) => (policy.beta = numberIn(value, 'earlyRefresh', 0, 100)),
  softTimeout: (policy, value: Duration) => (policy.softMs = timeout(value, 'softTimeout')),
  hardTimeout: (policy, value: Duration) => (policy.hardMs = timeout(value, 'hardTimeout')),
  lease: (policy, value: LeaseOptions) => applyLease(policy, value),
  tags: (policy, value: readonly string[]) => (policy.tags = checkEntryTags(value)),
}

const { ttl, jitter, staleWhileRevalidate, staleIfError, tags } = rules
const setRules: { readonly [Name in keyof Required<SetOptions>]: Rule } = {
  ttl,
  jitter,
  staleWhileRevalidate,
  staleIfError,
  tags,
}

const callRules: { readonly [Name in keyof Required<GetOrSetOptions>]: Rule } = {
  ...rules,
  fallback: (policy, value: unknown) => (policy.fallback = value),
  filter: (policy, value: (value: never) => boolean) => (policy.filter = aFunction(value)),
  schema(policy, value: StandardSchema) {
    if (!isStandardSchema(value)) {
      throw new TypeError(`schema: must be a Standard Schema, received ${describeValue(value)}`)
    }
    policy.schema = value
  },
  forceFresh(policy, value: boolean) {
    if (typeof value !== 'boolean') {
      throw new TypeError(`forceFresh: must be true or false, received ${describeValue(value)}`)
    }
    policy.forceFresh = value
  },
  signal(policy, value: AbortSignal) {
    if (typeof (value as AbortSignal | null)?.addEventListener !== 'function') {
      throw new TypeError(`signal: must be an AbortSignal, received ${describeValue(value)}`)
    }
    policy.signal = value
  },
}

export const policyNames: readonly (keyof PolicyOptions)[] = Object.keys(
  rules,
) as (keyof PolicyOptions)[]

/**
 * What a cache goes by unless a call says otherwise.
 *
 * @throws TypeError or RangeError naming option, rule and value
 */
export function cachePolicy(options: PolicyOptions, base: Policy = builtIn): Policy {
  const policy = { ...base }
  for (const name of policyNames) {
    const value = options[name]
    if (value !== undefined) rules[name](policy, value as never)
  }
  return policy
}

/** Finds what one call goes by. */
export type ResolveCall = (options: Ttl | GetOrSetOptions<never> | undefined) => Policy

const mostKept = 1_000

/** What `getOrSet` and its like go by. */
export function createResolveCall(base: Policy): ResolveCall {
  const resolve = createResolve(base, callRules, 'getOrSet')
  return function resolveCall(options) {
    const policy = resolve(options)
    if (policy.onTimeout === 'fallback' && policy.fallback === undefined && isObject(options)) {
      throw new TypeError("fallback: must be given where lease.onTimeout is 'fallback'")
    }
    return policy
  }
}

/** What `set` goes by: of options that only a load has a use for, none. */
export function createResolveSet(base: Policy): ResolveCall {
  return createResolve(base, setRules, 'set')
}

/** A call without options, or with a bare ttl that was used before, costs no allocation. */
function createResolve(base: Policy, known: Rules, of: string): ResolveCall {
  const byTtl = new Map<Ttl, Policy>()

  function bare(ttl: Ttl): Policy {
    let policy = byTtl.get(ttl)
    if (policy !== undefined) return policy
    policy = { ...base, ttlMs: ttlMilliseconds(ttl) }
    if (byTtl.size < mostKept) byTtl.set(ttl, policy)
    return policy
  }

  return function resolve(options) {
    if (options === undefined) return base
    if (!isObject(options)) return bare(options)
    const policy = { ...base }
    for (const name in options) {
      const value = options[name as keyof typeof options]
      if (value === undefined) continue
      const rule = Object.hasOwn(known, name) ? known[name] : undefined
      if (rule === undefined) throw noOption(name, of, Object.keys(known), value)
      rule(policy, value as never)
    }
    return policy
  }
}

function isObject<Options>(options: Options): options is Options & object {
  return typeof options === 'object' && options !== null
}

/** How long an entry is in Redis: while it is fresh, and while it may be served stale. */
export function staleMsOf({ ttlMs, swrMs, sieMs }: Policy): number {
  return ttlMs === Infinity ? 0 : Math.max(swrMs, sieMs)
}

/** The ttl of one entry, shortened at random where the policy says so. */
export function jittered(ttlMs: number, jitter: number): number {
  return jitter === 0 || ttlMs === Infinity
    ? ttlMs
    : Math.max(1, ttlMs * (1 - jitter * Math.random()))
}

export function noOption(
  name: string,
  of: string,
  known: readonly string[],
  value: unknown,
): TypeError {
  // Nobody knows what it was meant for: text may be a URL with a password.
  const received = typeof value === 'string' ? 'text' : describeValue(value)
  return new TypeError(`${name}: is no option of ${of} (${known.join(', ')}), received ${received}`)
}

/**
 * A copy of what the caller gave, who may go on to change it.
 *
 * @throws TypeError
 */
export function checkTags(tags: readonly string[]): readonly string[] {
  if (!Array.isArray(tags)) throw noTags(tags)
  for (const tag of tags) if (typeof tag !== 'string') throw noTags(tag)
  return [...tags]
}

function noTags(value: unknown): TypeError {
  return new TypeError(`tags: must be an array of strings, received ${describeValue(value)}`)
}

/** A reader looks at the stamp of each tag of an entry. */
const mostTags = 1_000

/**
 * As {@link checkTags}, for the tags of one entry.
 *
 * @throws TypeError or RangeError
 */
export function checkEntryTags(given: readonly string[]): readonly string[] {
  const names = checkTags(given)
  if (names.length <= mostTags) return names
  throw new RangeError(
    `tags: an entry may have at most ${mostTags} of them, received ${names.length}`,
  )
}

const leaseNames = ['ttl', 'wait', 'attempts', 'onTimeout']

function applyLease(policy: Policy, lease: LeaseOptions): void {
  if (typeof lease !== 'object' || lease === null || Array.isArray(lease)) {
    throw new TypeError(`lease: must be an object, received ${describeValue(lease)}`)
  }
  for (const name in lease)
    if (!leaseNames.includes(name))
      throw noOption(`lease.${name}`, 'a lease', leaseNames, lease[name as keyof LeaseOptions])
  const { ttl, wait, attempts, onTimeout } = lease
  if (ttl !== undefined) policy.leaseMs = numberIn(short(ttl, 'lease.ttl'), 'lease.ttl', 100, 60e3)
  if (wait !== undefined) policy.waitMs = numberIn(short(wait, 'lease.wait'), 'lease.wait', 0, 60e3)
  if (attempts !== undefined) {
    policy.attempts = Math.floor(numberIn(attempts, 'lease.attempts', 1, 1_000))
  }
  if (onTimeout === undefined) return
  if (onTimeout !== 'load' && onTimeout !== 'throw' && onTimeout !== 'fallback') {
    throw new TypeError(
      `lease.onTimeout: must be 'load', 'throw' or 'fallback', received ${describeValue(onTimeout)}`,
    )
  }
  policy.onTimeout = onTimeout
}

function numberIn(value: number, option: string, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw new RangeError(
    `${option}: must be a number from ${least} to ${most}, received ${describeValue(value)}`,
  )
}

function aFunction<F>(value: F): F {
  if (typeof value === 'function') return value
  throw new TypeError(`filter: must be a function, received ${describeValue(value)}`)
}

/** The few strings that a program writes, so that each is parsed once. */
const parsed = new Map<string, number>()

function duration(value: Duration, option: string): number {
  if (typeof value !== 'string') return toMilliseconds(value, option)
  const known = parsed.get(value)
  if (known !== undefined) return known
  const ms = toMilliseconds(value, option)
  if (parsed.size < mostKept) parsed.set(value, ms)
  return ms
}

function window(value: Duration, option: string): number {
  const ms = duration(value, option)
  if (ms <= longestTtlMs) return ms
  throw new RangeError(`${option}: must be at most 100 years, received ${describeValue(value)}`)
}

/** Timers of Node.js run for 24 days at most, and longer ones end at once. */
const longestTimeoutMs = 24 * 3_600_000

function timeout(value: Duration, option: string): number {
  const ms = short(value, option)
  if (ms <= longestTimeoutMs) return ms
  throw new RangeError(`${option}: must be at most 1 day, received ${describeValue(value)}`)
}

function short(value: Duration, option: string): number {
  return typeof value === 'string' ? duration(value, option) : toShortMilliseconds(value, option)
}
