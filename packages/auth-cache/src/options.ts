import {
  describeValue,
  toMilliseconds,
  toShortMilliseconds,
  type Duration,
} from '@corral/connection'
import type { Cache, NearOptions } from '@corral/core'

/** A secret of the server that tokens are hashed with. At least 16 bytes. */
export type Pepper = string | Uint8Array

/** How an auth cache behaves; see each option. */
export interface AuthCacheOptions {
  /** Gives the connection and the namespace: everything lies below `<namespace>:auth`. */
  readonly cache: Cache
  /**
   * Secrets of the server. With one, tokens are stored as HMAC-SHA-256 instead of SHA-256, and records are
   * sealed: what somebody else writes to Redis is not believed. A list for rotation: the first
   * writes, all read. @defaultValue none
   */
  readonly pepper?: Pepper | readonly Pepper[]
  /** Longest time a verified token is served without asking the verifier. @defaultValue '5m' */
  readonly ttl?: Duration
  /** How long `set` and `setToken` keep. @defaultValue '1h' */
  readonly dataTtl?: Duration
  /** How long a token that the verifier refused is refused without asking. 0 for not at all. @defaultValue '10s' */
  readonly negativeTtl?: Duration
  /** Most refused tokens remembered, in this process only. 1 to 1 000 000. @defaultValue 10_000 */
  readonly maxRejected?: number
  /**
   * Copies of records and revocations in this process: no command per call, and revocations of other
   * processes arrive with the signals' delay. `false`: each call reads them. @defaultValue false
   */
  readonly near?: NearOptions | false
  /** How long past its ttl a record is served while it is verified anew behind. @defaultValue 0 */
  readonly staleWhileRevalidate?: Duration
  /**
   * How long a revocation is remembered where the token does not say when it ends: as long as your
   * longest-lived token. @defaultValue '30d'
   */
  readonly revocationTtl?: Duration
  /** What our clock and that of the issuer of JWTs may differ. Up to 60 s. @defaultValue '250ms' */
  readonly clockSkew?: Duration
  /** Longest token in bytes of UTF-8. 16 to 1 048 576. @defaultValue 8_192 */
  readonly maxTokenBytes?: number
  /**
   * Which tokens are read as JWTs.
   *
   * - `'auto'`: those that begin as the base64url of a JSON object with a dot behind; others are opaque
   * - `'always'`: all; what is none is refused
   * - `'never'`: none
   *
   * @defaultValue 'auto'
   */
  readonly jwt?: 'auto' | 'always' | 'never'
  /** Most verifiers that run at once in this process. 1 to 100 000. @defaultValue 64 */
  readonly maxVerifications?: number
  /** Most tokens that wait for a verifier; beyond it `AUTH_UNAVAILABLE`. 0 to 1 000 000. @defaultValue 10_000 */
  readonly maxWaiting?: number
  /** How long a verifier may take. Up to 60 s. @defaultValue '10s' */
  readonly verifyTimeout?: Duration
  /**
   * What `authenticate` does while revocations cannot be read.
   *
   * - `'verify'`: asks the verifier each time. Right where it asks the source, which knows
   * - `'refuse'`: `AUTH_UNAVAILABLE`. Right where it only checks a signature
   *
   * @defaultValue 'verify'
   */
  readonly onUnavailable?: 'verify' | 'refuse'
  /**
   * Whether an error of the verifier means that the token is bad; any other means that the verifier
   * is. @defaultValue the errors of jose, jsonwebtoken and fast-jwt about a token, and `TOKEN_INVALID`
   */
  readonly isInvalid?: (error: unknown) => boolean
}

/** {@link AuthCacheOptions} with every default filled in and every rule checked. */
export interface ResolvedAuthOptions {
  readonly cache: Cache
  readonly namespace: string
  readonly peppers: readonly Buffer[]
  readonly ttlMs: number
  readonly dataTtlMs: number
  readonly negativeMs: number
  readonly maxRejected: number
  readonly near: NearOptions | undefined
  readonly staleMs: number
  readonly revocationMs: number
  readonly skewMs: number
  readonly maxTokenBytes: number
  readonly jwt: 'auto' | 'always' | 'never'
  readonly maxVerifications: number
  readonly maxWaiting: number
  readonly verifyMs: number
  readonly onUnavailable: 'verify' | 'refuse'
  readonly isInvalid: ((error: unknown) => boolean) | undefined
}

const known: ReadonlySet<string> = new Set([
  'cache',
  'pepper',
  'ttl',
  'dataTtl',
  'negativeTtl',
  'maxRejected',
  'near',
  'staleWhileRevalidate',
  'revocationTtl',
  'clockSkew',
  'maxTokenBytes',
  'jwt',
  'maxVerifications',
  'maxWaiting',
  'verifyTimeout',
  'onUnavailable',
  'isInvalid',
] satisfies (keyof AuthCacheOptions)[])

const LEAST_PEPPER_BYTES = 16

/** 100 years: what nobody means, and Redis can still count. */
export const LONGEST_MS: number = 100 * 365 * 24 * 3_600_000

/**
 * Checks the options of `createAuthCache`; runs once per auth cache.
 *
 * @throws TypeError or RangeError naming option, rule and received value (never a pepper)
 */
export function resolveAuthOptions(options: AuthCacheOptions): ResolvedAuthOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue
    throw new TypeError(`${name}: is no option of createAuthCache (${[...known].join(', ')})`)
  }
  const { cache, isInvalid, jwt = 'auto', onUnavailable = 'verify', near } = options
  if (typeof cache?.getOrSet !== 'function' || typeof cache.namespace !== 'string') {
    throw new TypeError(`cache: must be a cache of createCache, received ${describeValue(cache)}`)
  }
  if (isInvalid !== undefined && typeof isInvalid !== 'function') {
    throw new TypeError(`isInvalid: must be a function, received ${describeValue(isInvalid)}`)
  }
  const resolved: ResolvedAuthOptions = {
    cache,
    namespace: `${cache.namespace}:auth`,
    peppers: resolvePeppers(options.pepper),
    ttlMs: positive(options.ttl ?? '5m', 'ttl'),
    dataTtlMs: positive(options.dataTtl ?? '1h', 'dataTtl'),
    negativeMs: bounded(options.negativeTtl ?? '10s', 'negativeTtl'),
    maxRejected: wholeIn(options.maxRejected ?? 10_000, 'maxRejected', 1, 1_000_000),
    near: resolveNear(near),
    staleMs: bounded(options.staleWhileRevalidate ?? 0, 'staleWhileRevalidate'),
    revocationMs: positive(options.revocationTtl ?? '30d', 'revocationTtl'),
    skewMs: short(options.clockSkew ?? '250ms', 'clockSkew'),
    maxTokenBytes: wholeIn(options.maxTokenBytes ?? 8_192, 'maxTokenBytes', 16, 1_048_576),
    jwt: oneOf(jwt, 'jwt', ['auto', 'always', 'never']),
    maxVerifications: wholeIn(options.maxVerifications ?? 64, 'maxVerifications', 1, 100_000),
    maxWaiting: wholeIn(options.maxWaiting ?? 10_000, 'maxWaiting', 0, 1_000_000),
    verifyMs: positiveShort(options.verifyTimeout ?? '10s', 'verifyTimeout'),
    onUnavailable: oneOf(onUnavailable, 'onUnavailable', ['verify', 'refuse']),
    isInvalid,
  }
  const least = longestFillMs(resolved)
  if (resolved.revocationMs < least) {
    throw new RangeError(
      `revocationTtl: must be at least ${least} ms, so that it outlives what was stored before (ttl, dataTtl, staleWhileRevalidate, verifyTimeout), received ${describeValue(options.revocationTtl)}`,
    )
  }
  return resolved
}

/** How long after a revocation something can be read that was begun before it. */
export function longestFillMs(options: ResolvedAuthOptions): number {
  const { ttlMs, staleMs, dataTtlMs, verifyMs, skewMs } = options
  return Math.max(ttlMs + staleMs, dataTtlMs) + verifyMs + skewMs + 60_000
}

function resolvePeppers(given: AuthCacheOptions['pepper']): readonly Buffer[] {
  if (given === undefined) return []
  const list: readonly Pepper[] =
    typeof given === 'string' || given instanceof Uint8Array ? [given] : given
  if (!Array.isArray(list) || list.length === 0) {
    throw new TypeError('pepper: must be a string, bytes, or a non-empty list of these')
  }
  return list.map((pepper: unknown) => {
    if (typeof pepper !== 'string' && !(pepper instanceof Uint8Array)) {
      throw new TypeError('pepper: must be a string, bytes, or a non-empty list of these')
    }
    const bytes = Buffer.from(pepper as string)
    if (bytes.length >= LEAST_PEPPER_BYTES) return bytes
    throw new RangeError(
      `pepper: must have at least ${LEAST_PEPPER_BYTES} bytes, received ${bytes.length}`,
    )
  })
}

/** The cache checks what is in it, but spread, `true` would be an object without options. */
function resolveNear(near: AuthCacheOptions['near']): NearOptions | undefined {
  if (near === undefined || near === false) return undefined
  if (typeof near === 'object' && near !== null) return near
  throw new TypeError(
    `near: must be an object such as { maxEntries: 10_000 }, or false, received ${describeValue(near)}`,
  )
}

export function bounded(value: Duration, option: string): number {
  const ms = toMilliseconds(value, option)
  if (ms <= LONGEST_MS) return ms
  throw new RangeError(`${option}: must be at most 100 years, received ${describeValue(value)}`)
}

function positive(value: Duration, option: string): number {
  const ms = bounded(value, option)
  if (ms > 0) return ms
  throw new RangeError(`${option}: must be more than 0, received ${describeValue(value)}`)
}

function short(value: Duration, option: string): number {
  const ms = toShortMilliseconds(value, option)
  if (ms <= 60_000) return ms
  throw new RangeError(`${option}: must be at most 60 s, received ${describeValue(value)}`)
}

function positiveShort(value: Duration, option: string): number {
  const ms = short(value, option)
  if (ms > 0) return ms
  throw new RangeError(`${option}: must be more than 0, received ${describeValue(value)}`)
}

function oneOf<T extends string>(value: T, option: string, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw new TypeError(
    `${option}: must be ${allowed.map((it) => `'${it}'`).join(' or ')}, received ${describeValue(value)}`,
  )
}

function wholeIn(value: number, option: string, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new RangeError(
    `${option}: must be a whole number from ${least} to ${most}, received ${describeValue(value)}`,
  )
}
