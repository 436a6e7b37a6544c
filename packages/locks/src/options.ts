import {
  type ConnectionSource,
  createKeyspace,
  describeValue,
  type Duration,
  type Keyspace,
  toMilliseconds,
  toShortMilliseconds,
} from '@corral/connection'

/** How locks behave unless a call says otherwise; see each option. */
export interface LocksOptions extends LockDefaults {
  /**
   * What they ride on: an ioredis `Redis` or `Cluster`, a BullMQ `Queue`, `Worker`, `QueueEvents` or
   * `FlowProducer`, a promise of one, or a `Connection`. It is never closed.
   */
  readonly connection: ConnectionSource
  /** Sets their names apart from others': not empty, no braces or glob characters, not `bull`. */
  readonly namespace: string
  /**
   * How long Redis remembers the last fencing token of a lock that nobody uses. 2 days to 10 years.
   * @defaultValue '30d'
   */
  readonly fenceRetention?: Duration
  /**
   * Hands a lock out only when this many replicas have it, over one more connection that is opened
   * for it (or given). Not in a cluster. @defaultValue 0
   */
  readonly replicas?: number | ReplicaOptions
}

/** Asks replicas, by WAIT, on a connection of its own: it would hold up everybody on a shared one. */
export interface ReplicaOptions {
  /** How many replicas must have it. 1 to 16. */
  readonly count: number
  /**
   * A connection that nobody else uses, to the same server. Needed where `connection` is a handle of
   * `shareConnection`. @defaultValue a duplicate of the client behind `connection`
   */
  readonly connection?: ConnectionSource
  /** How long replicas may take. 10 ms to 10 s. @defaultValue '100ms' */
  readonly timeout?: Duration
}

/** What a call may set for itself, and `createLocks` for all calls. */
export interface LockDefaults {
  /**
   * How long Redis keeps a lock whose holder says nothing more. 50 ms to 24 h; a number is seconds.
   * @defaultValue '30s'
   */
  readonly ttl?: Duration
  /** How long to wait for a lock that others hold. 0 to 1 h. @defaultValue '10s' */
  readonly wait?: Duration
  readonly retry?: RetryOptions
}

/**
 * Looking again, for while Redis cannot tell waiters that a lock is free (signals are lost or off);
 * otherwise waiters are woken and do not poll.
 */
export interface RetryOptions {
  /** Pause between two looks, give or take half of it. 5 ms to 60 s. @defaultValue '100ms' */
  readonly delay?: Duration
  /**
   * Waits as long as so many looks would take, when `wait` is left out. 0 to 100 000.
   * @defaultValue as `wait` says
   */
  readonly attempts?: number
}

/** Options of one acquisition. */
export interface AcquireOptions extends LockDefaults {
  /** Ends the wait; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Extends the lock at each third of its ttl until it is released. @defaultValue false */
  readonly autoExtend?: boolean
}

/** Options of `using`. */
export interface UsingOptions extends Omit<AcquireOptions, 'autoExtend'> {
  /** Extends the lock at each third of its ttl while the body runs. @defaultValue true */
  readonly autoExtend?: boolean
}

/** {@link LockDefaults} checked and completed. */
export interface ResolvedDefaults {
  readonly ttlMs: number
  readonly waitMs: number
  readonly delayMs: number
}

/** {@link AcquireOptions} checked and completed. */
export interface ResolvedAcquire extends ResolvedDefaults {
  readonly signal: AbortSignal | undefined
  readonly autoExtend: boolean
  /** Asked before each extension; false ends them. */
  readonly goOnExtending?: () => boolean
}

/** {@link LocksOptions} checked and completed. */
export interface ResolvedLocks extends ResolvedDefaults {
  readonly keyspace: Keyspace
  readonly keepMs: number
  readonly replicas: ResolvedReplicas | undefined
}

export interface ResolvedReplicas {
  readonly count: number
  readonly connection: ConnectionSource | undefined
  readonly timeoutMs: number
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const BUILT_IN: ResolvedDefaults = { ttlMs: 30_000, waitMs: 10_000, delayMs: 100 }

const DEFAULTS_KNOWN = ['ttl', 'wait', 'retry'] as const
const LOCKS_KNOWN: ReadonlySet<string> = new Set([
  ...DEFAULTS_KNOWN,
  'connection',
  'namespace',
  'fenceRetention',
  'replicas',
])
const ACQUIRE_KNOWN: ReadonlySet<string> = new Set([...DEFAULTS_KNOWN, 'signal', 'autoExtend'])
const RETRY_KNOWN: ReadonlySet<string> = new Set(['delay', 'attempts'])
const REPLICAS_KNOWN: ReadonlySet<string> = new Set(['count', 'connection', 'timeout'])

/**
 * Checks the options of `createLocks`; runs once.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveLocksOptions(options: LocksOptions): ResolvedLocks {
  requireKnown(options, LOCKS_KNOWN, 'createLocks')
  const { namespace, fenceRetention = '30d', replicas } = options
  return {
    ...resolveDefaults(options, BUILT_IN),
    keyspace: createKeyspace({ namespace }),
    keepMs: within(
      toMilliseconds(fenceRetention, 'fenceRetention'),
      'fenceRetention',
      2 * DAY_MS,
      3650 * DAY_MS,
    ),
    replicas: replicas === undefined ? undefined : resolveReplicas(replicas),
  }
}

function resolveReplicas(given: number | ReplicaOptions): ResolvedReplicas | undefined {
  if (given === 0) return undefined
  const options = typeof given === 'number' ? { count: given } : given
  requireKnown(options, REPLICAS_KNOWN, 'replicas')
  const { count, connection, timeout = '100ms' } = options
  if (connection !== undefined && (typeof connection !== 'object' || connection === null)) {
    throw new TypeError(
      `replicas.connection: must be a connection of its own, received ${describeValue(connection)}`,
    )
  }
  return {
    count: whole(count, 'replicas.count', 1, 16),
    connection,
    timeoutMs: within(
      toShortMilliseconds(timeout, 'replicas.timeout'),
      'replicas.timeout',
      10,
      10_000,
    ),
  }
}

/**
 * Checks the options of one call.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveAcquire(
  options: AcquireOptions | undefined,
  defaults: ResolvedDefaults,
  autoExtend = false,
): ResolvedAcquire {
  if (options === undefined) {
    const { ttlMs, waitMs, delayMs } = defaults
    return { ttlMs, waitMs, delayMs, signal: undefined, autoExtend }
  }
  requireKnown(options, ACQUIRE_KNOWN, 'lock options')
  const { signal, autoExtend: extend = autoExtend } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal: must be an AbortSignal, received ${describeValue(signal)}`)
  }
  if (typeof extend !== 'boolean') {
    throw new TypeError(`autoExtend: must be true or false, received ${describeValue(extend)}`)
  }
  return { ...resolveDefaults(options, defaults), signal, autoExtend: extend }
}

function resolveDefaults(options: LockDefaults, defaults: ResolvedDefaults): ResolvedDefaults {
  const { ttl, wait, retry } = options
  const ttlMs = ttl === undefined ? defaults.ttlMs : resolveTtl(ttl)
  let { waitMs, delayMs } = defaults
  if (retry !== undefined) {
    requireKnown(retry, RETRY_KNOWN, 'retry')
    if (retry.delay !== undefined) {
      delayMs = within(toShortMilliseconds(retry.delay, 'retry.delay'), 'retry.delay', 5, 60_000)
    }
    if (retry.attempts !== undefined) {
      waitMs = whole(retry.attempts, 'retry.attempts', 0, 100_000) * delayMs
    }
  }
  if (wait !== undefined) waitMs = within(toShortMilliseconds(wait, 'wait'), 'wait', 0, HOUR_MS)
  return { ttlMs, waitMs, delayMs }
}

/** @throws TypeError or RangeError */
export function resolveTtl(ttl: Duration): number {
  return Math.round(within(toMilliseconds(ttl, 'ttl'), 'ttl', 50, DAY_MS))
}

/** @throws TypeError for what is no usable name of a lock */
export function requireName(name: string): void {
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(`name: must be a non-empty string, received ${describeValue(name)}`)
  }
}

/** @throws RangeError */
export function requirePermits(permits: number): number {
  return whole(permits, 'permits', 1, 1_000_000)
}

function requireKnown(options: object, known: ReadonlySet<string>, where: string): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${where}: options must be an object, received ${describeValue(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      throw new TypeError(`${where}: unknown option '${name}'; known are ${[...known].join(', ')}`)
    }
  }
}

function within(ms: number, option: string, least: number, most: number): number {
  if (ms < least || ms > most) {
    throw new RangeError(`${option}: must lie from ${least} ms to ${most} ms, received ${ms} ms`)
  }
  return ms
}

function whole(value: number, option: string, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(
      `${option}: must be a whole number from ${least} to ${most}, received ${describeValue(value)}`,
    )
  }
  return value
}
