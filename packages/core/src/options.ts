import {
  createKeyspace,
  describeValue,
  shareConnection,
  systemClock,
  toShortMilliseconds,
  type Clock,
  type Connection,
  type ConnectionSource,
  type Duration,
  type Keyspace,
  type Sanitize,
} from '@corral/connection'
import { ttlMilliseconds } from './entry/ttl.ts'
import type { NearCopy } from './near/near-tier.ts'
import { cachePolicy, noOption, policyNames, type Policy, type PolicyOptions } from './policy.ts'
import { createCodec, type Codec } from './serializers/codec.ts'
import type { CompressionOptions, Serializer } from './serializers/serializer.ts'

/**
 * What a call does when Redis cannot answer, or refuses.
 *
 * - `'degrade'`: a read is a miss, a write tells `false`, `deletePattern` how many went before, and
 *   `getOrSet` gives the loader's value
 * - `'throw'`: reads, writes and invalidations reject with a `CorralError`; but a `set` that is not
 *   sent, because Redis holds `maxMemoryShare` already, tells `false`. `getOrSet` rejects when Redis
 *   could not be read, without loading; where only its lease or its fill fails, the caller gets the
 *   loader's value. `warm` tells of failures by key
 *
 * In both, what was not acknowledged is made up for when Redis is back, `increment`, changes of
 * structures and `keys` reject, and `peek`, `stats` and `health` do not.
 */
export type OnError = 'degrade' | 'throw'

/** Copies of entries in this process's memory, kept right by signals; see `docs/concepts`. */
export interface NearOptions {
  /** Most entries held; those used longest ago go. 1 to 10 000 000. @defaultValue 10_000 */
  readonly maxEntries?: number
  /** Longest life of a copy, whatever its entry says. Over 0. @defaultValue '1m' */
  readonly ttl?: Duration
  /** What a hit hands out: a frozen value, a copy each time, or the value itself. @defaultValue 'freeze' */
  readonly copy?: NearCopy
}

/** What is kept of loads while Redis is away. */
export interface OutageBufferOptions {
  /** How long a loaded value is kept. Up to 60 s. @defaultValue '1s' */
  readonly ttl?: Duration
  /** 1 to 1 000 000. @defaultValue 1_000 */
  readonly maxEntries?: number
}

/** How a cache behaves; see each option, and {@link PolicyOptions} for how its entries live. */
export interface CacheOptions extends PolicyOptions {
  /**
   * What the cache rides on: an ioredis `Redis` or `Cluster`, a BullMQ `Queue`, `Worker`,
   * `QueueEvents` or `FlowProducer`, a promise of one, or a `Connection`. It is never closed.
   *
   * @defaultValue none: entries live in this process's memory, for development and tests
   */
  readonly connection?: ConnectionSource
  /**
   * Where the entries live in Redis: `<namespace>::<key>`. Not empty, without braces, glob
   * characters, white space or `::`, and not `bull`. May carry a version: `'shop:v1'`.
   */
  readonly namespace: string
  /**
   * Copies in this process, so that most hits cost no command; `false` for none, also in a child of
   * a cache that has them. Counters and structures are never among them.
   *
   * @defaultValue none
   */
  readonly near?: NearOptions | false
  /** What a call does when Redis cannot answer; see {@link OnError}. @defaultValue 'degrade' */
  readonly onError?: OnError
  /**
   * Most loaders that run at once in this cache; the others wait in line. 1 to 100 000. While none ends
   * for a second, one more is let in, up to as many again: loaders may wait for each other's loads.
   *
   * @defaultValue 64
   */
  readonly maxLoads?: number
  /** What shields the source while Redis is away; `false` for nothing. @defaultValue 1 s, 1,000 entries */
  readonly outageBuffer?: OutageBufferOptions | false
  /** Share of the server's `maxmemory` from which on no values are stored. Over 0 to 1. @defaultValue 0.8 */
  readonly maxMemoryShare?: number
  /** What values are written with. @defaultValue JSON */
  readonly serializer?: Serializer
  /** Makes large values smaller. @defaultValue none */
  readonly compression?: CompressionOptions
  /** What clocks of servers, and ours, may differ. Up to 60 s. @defaultValue '250ms' */
  readonly clockSkew?: Duration
  /** How keys with white space, braces, `%` or control characters are written. @defaultValue 'encode' */
  readonly sanitize?: Sanitize
  /** Longest Redis key in bytes; longer ones end in a digest. 64 to 65 536. @defaultValue 250 */
  readonly maxKeyLength?: number
  /** Where a cache without `connection` takes time from. @defaultValue the machine's clock */
  readonly clock?: Clock
}

/** What a child may have otherwise than its parent. */
export type ChildOptions = PolicyOptions & Pick<CacheOptions, 'near' | 'maxLoads' | 'outageBuffer'>

/** {@link CacheOptions} with every default filled in and every rule checked. */
export interface ResolvedCacheOptions {
  readonly keyspace: Keyspace
  /** Undefined: memory only. */
  readonly connection: Connection | undefined
  /** Of a cache without `connection`. */
  readonly clock: Clock
  readonly policy: Policy
  readonly near: (Required<Omit<NearOptions, 'ttl'>> & { readonly ttlMs: number }) | undefined
  readonly degrade: boolean
  readonly maxLoads: number
  readonly outage: { readonly ttlMs: number; readonly maxEntries: number } | undefined
  readonly maxMemoryShare: number
  readonly codec: Codec
  readonly clockSkewMs: number
}

const known: ReadonlySet<string> = new Set([
  ...policyNames,
  'connection',
  'namespace',
  'near',
  'onError',
  'maxLoads',
  'outageBuffer',
  'maxMemoryShare',
  'serializer',
  'compression',
  'clockSkew',
  'sanitize',
  'maxKeyLength',
  'clock',
] satisfies (keyof CacheOptions)[])

const compressionNames: ReadonlySet<string> = new Set([
  'algorithm',
  'threshold',
  'maxOutputBytes',
] satisfies (keyof CompressionOptions)[])

/**
 * Checks the options of `createCache`; runs once per cache.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveCacheOptions(options: CacheOptions): ResolvedCacheOptions {
  checkNames('options', options, known)
  const { connection, namespace, onError = 'degrade', sanitize, maxKeyLength, clock } = options
  const {
    serializer,
    compression,
    clockSkew = '250ms',
    maxMemoryShare = 0.8,
    maxLoads = 64,
  } = options
  if (onError !== 'degrade' && onError !== 'throw') {
    throw new TypeError(`onError: must be 'degrade' or 'throw', received ${describeValue(onError)}`)
  }
  const keyspace = createKeyspace({
    namespace,
    ...(sanitize !== undefined && { sanitize }),
    ...(maxKeyLength !== undefined && { maxKeyLength }),
  })
  if (!(maxMemoryShare > 0 && maxMemoryShare <= 1)) {
    throw new RangeError(
      `maxMemoryShare: must be over 0 and at most 1, received ${describeValue(maxMemoryShare)}`,
    )
  }
  if (clock !== undefined) requireMethods('clock', clock, 'a Clock', ['now', 'wallNow', 'setTimer'])
  if (serializer !== undefined) {
    requireMethods('serializer', serializer, 'a Serializer', ['encode', 'decode'])
  }
  if (compression !== undefined) checkNames('compression', compression, compressionNames)
  const codec = createCodec(serializer, compression)
  const resolved = {
    keyspace,
    clock: clock ?? systemClock,
    policy: cachePolicy(options),
    near: resolveNear(options.near),
    degrade: onError === 'degrade',
    maxLoads: wholeIn(maxLoads, 'maxLoads', 1, 100_000),
    outage: resolveOutage(options.outageBuffer),
    maxMemoryShare,
    codec,
    clockSkewMs: upToAMinute(clockSkew, 'clockSkew'),
  }
  // Last, because it registers with the client: nothing is left behind by a wrong option above.
  return {
    ...resolved,
    connection: connection === undefined ? undefined : shareConnection(connection),
  }
}

const childNames: ReadonlySet<string> = new Set([
  ...policyNames,
  'near',
  'maxLoads',
  'outageBuffer',
] satisfies (keyof ChildOptions)[])

/**
 * What a child goes by: what it says itself before what its parent says.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveChildOptions(
  parent: ResolvedCacheOptions,
  name: string,
  options: ChildOptions = {},
): ResolvedCacheOptions {
  checkNames('options', options, childNames)
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(`name: must be a non-empty string, received ${describeValue(name)}`)
  }
  const { sanitize, maxKeyLength, namespace } = parent.keyspace
  const { near, maxLoads, outageBuffer } = options
  const child = {
    ...parent,
    keyspace: createKeyspace({ namespace: `${namespace}:${name}`, sanitize, maxKeyLength }),
    policy: cachePolicy(options, parent.policy),
    near: near === undefined ? parent.near : resolveNear(near),
    maxLoads: maxLoads === undefined ? parent.maxLoads : wholeIn(maxLoads, 'maxLoads', 1, 100_000),
    outage: outageBuffer === undefined ? parent.outage : resolveOutage(outageBuffer),
  }
  return { ...child, connection: parent.connection && shareConnection(parent.connection) }
}

function resolveNear(near: NearOptions | false | undefined): ResolvedCacheOptions['near'] {
  if (near === undefined || near === false) return undefined
  checkNames('near', near, new Set(['maxEntries', 'ttl', 'copy']))
  const { maxEntries = 10_000, ttl = '1m', copy = 'freeze' } = near
  if (copy !== 'freeze' && copy !== 'clone' && copy !== 'none') {
    throw new TypeError(
      `near.copy: must be 'freeze', 'clone' or 'none', received ${describeValue(copy)}`,
    )
  }
  return {
    maxEntries: wholeIn(maxEntries, 'near.maxEntries', 1, 10_000_000),
    ttlMs: ttlMilliseconds(ttl, 'near.ttl'),
    copy,
  }
}

function resolveOutage(
  buffer: OutageBufferOptions | false | undefined,
): ResolvedCacheOptions['outage'] {
  if (buffer === false) return undefined
  if (buffer !== undefined) checkNames('outageBuffer', buffer, new Set(['ttl', 'maxEntries']))
  const { ttl = '1s', maxEntries = 1_000 } = buffer ?? {}
  return {
    ttlMs: upToAMinute(ttl, 'outageBuffer.ttl'),
    maxEntries: wholeIn(maxEntries, 'outageBuffer.maxEntries', 1, 1_000_000),
  }
}

function checkNames(option: string, value: object, names: ReadonlySet<string>): void {
  requireObject(option, value)
  for (const name of Object.keys(value)) {
    if (names.has(name)) continue
    const path = option === 'options' ? name : `${option}.${name}`
    throw noOption(path, 'createCache', [...names], value[name as keyof typeof value])
  }
}

function requireObject(option: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
  throw new TypeError(`${option}: must be an object, received ${describeValue(value)}`)
}

function requireMethods(option: string, value: unknown, what: string, names: string[]): void {
  const given = value as Readonly<Record<string, unknown>> | null
  if (given !== null && names.every((name) => typeof given[name] === 'function')) return
  throw new TypeError(
    `${option}: must be ${what} (${names.join(', ')}), received ${describeValue(value)}`,
  )
}

function upToAMinute(value: Duration, option: string): number {
  const ms = toShortMilliseconds(value, option)
  if (ms <= 60_000) return ms
  throw new RangeError(`${option}: must be at most 60 s, received ${describeValue(value)}`)
}

function wholeIn(value: number, option: string, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new RangeError(
    `${option}: must be a whole number from ${least} to ${most}, received ${describeValue(value)}`,
  )
}
