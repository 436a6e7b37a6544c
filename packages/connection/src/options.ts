import { type Clock, systemClock } from './clock.ts'
import type { ConnectionOptions, ConnectionWarning } from './connection.ts'
import { describeValue, type Duration, toShortMilliseconds } from './duration.ts'
import type { SourceId } from './stats-source.ts'

/** Options checked and completed; nobody sees the raw ones after {@link resolveOptions}. */
export interface ResolvedOptions {
  readonly deadlineMs: number
  readonly maxPending: number
  readonly maxQueued: number
  readonly maxPendingBytes: number
  readonly maxValueBytes: number
  readonly breaker: {
    readonly threshold: number
    readonly minimum: number
    readonly openForMs: number
  }
  readonly signals: boolean
  readonly clock: Clock
  readonly onWarning: (warning: ConnectionWarning) => void
}

/** What the parts of one guard know. */
export interface GuardOptions extends ResolvedOptions {
  /** Who it is in traces. */
  readonly source: SourceId
}

const MiB = 1024 * 1024

const DEFAULTS = {
  deadline: '200ms',
  maxPending: 256,
  maxQueued: 10_000,
  maxPendingBytes: 8 * MiB,
  maxValueBytes: MiB,
  breaker: { threshold: 0.5, minimum: 5, openFor: '500ms' },
  signals: true,
} as const satisfies ConnectionOptions

const KNOWN: ReadonlySet<string> = new Set([...Object.keys(DEFAULTS), 'clock', 'onWarning'])
const KNOWN_BREAKER: ReadonlySet<string> = new Set(Object.keys(DEFAULTS.breaker))

/**
 * Checks and completes the options.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveOptions(options: ConnectionOptions = {}): ResolvedOptions {
  requireKnown(options, KNOWN, 'connection options')
  const breaker = options.breaker ?? {}
  requireKnown(breaker, KNOWN_BREAKER, 'breaker')
  const { clock = systemClock, onWarning = warnOnce, signals = DEFAULTS.signals } = options
  if (typeof signals !== 'boolean') {
    throw new TypeError(`signals: must be true or false, received ${describeValue(signals)}`)
  }
  if (typeof onWarning !== 'function') {
    throw new TypeError(`onWarning: must be a function, received ${describeValue(onWarning)}`)
  }
  if (typeof (clock as Partial<Clock> | null)?.now !== 'function') {
    throw new TypeError(`clock: must be a Clock, received ${describeValue(clock)}`)
  }
  return {
    deadlineMs: wait(options.deadline ?? DEFAULTS.deadline, 'deadline'),
    maxPending: count(options.maxPending ?? DEFAULTS.maxPending, 'maxPending', 1, 100_000),
    maxQueued: count(options.maxQueued ?? DEFAULTS.maxQueued, 'maxQueued', 1, 10_000_000),
    maxPendingBytes: count(
      options.maxPendingBytes ?? DEFAULTS.maxPendingBytes,
      'maxPendingBytes',
      1024,
      1024 * MiB,
    ),
    maxValueBytes: count(
      options.maxValueBytes ?? DEFAULTS.maxValueBytes,
      'maxValueBytes',
      1,
      512 * MiB,
    ),
    breaker: {
      threshold: share(breaker.threshold ?? DEFAULTS.breaker.threshold, 'breaker.threshold'),
      minimum: count(breaker.minimum ?? DEFAULTS.breaker.minimum, 'breaker.minimum', 1, 20),
      openForMs: wait(breaker.openFor ?? DEFAULTS.breaker.openFor, 'breaker.openFor'),
    },
    signals,
    clock,
    onWarning,
  }
}

/**
 * Whoever shares a guard that others made may repeat its options or leave them out, not change them.
 *
 * @throws TypeError naming the option that differs
 */
export function requireSameOptions(given: ConnectionOptions, shared: ResolvedOptions): void {
  const resolved = resolveOptions({ ...given, onWarning: given.onWarning ?? shared.onWarning })
  const differs = (name: string, mine: unknown, theirs: unknown): void => {
    if (Object.is(mine, theirs)) return
    throw new TypeError(
      `${name}: this client is shared already with ${describeValue(theirs)}; leave the option out or give the same, received ${describeValue(mine)}`,
    )
  }
  if (given.deadline !== undefined) differs('deadline (ms)', resolved.deadlineMs, shared.deadlineMs)
  for (const name of [
    'maxPending',
    'maxQueued',
    'maxPendingBytes',
    'maxValueBytes',
    'signals',
    'clock',
  ] as const) {
    if (given[name] !== undefined) differs(name, resolved[name], shared[name])
  }
  for (const name of ['threshold', 'minimum'] as const) {
    if (given.breaker?.[name] !== undefined) {
      differs(`breaker.${name}`, resolved.breaker[name], shared.breaker[name])
    }
  }
  if (given.breaker?.openFor !== undefined) {
    differs('breaker.openFor (ms)', resolved.breaker.openForMs, shared.breaker.openForMs)
  }
}

/** The default of `onWarning`: Node prints it once, with its code. */
function warnOnce(warning: ConnectionWarning): void {
  process.emitWarning(warning.message, { type: 'CorralWarning', code: `CORRAL_${warning.code}` })
}

function requireKnown(options: object, known: ReadonlySet<string>, where: string): void {
  if (typeof options !== 'object' || options === null) {
    // Its type alone: who mixes the arguments up may have given a URL with its password.
    throw new TypeError(`${where}: must be an object, received a ${typeof options}`)
  }
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      throw new TypeError(`${where}: unknown option '${name}'; known are ${[...known].join(', ')}`)
    }
  }
}

function wait(value: Duration, option: string): number {
  const ms = toShortMilliseconds(value, option)
  if (ms < 10 || ms > 60_000) {
    throw new RangeError(
      `${option}: must lie from '10ms' to '60s', received ${describeValue(value)}`,
    )
  }
  return ms
}

function count(value: number, option: string, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(
      `${option}: must be a whole number from ${min} to ${max}, received ${describeValue(value)}`,
    )
  }
  return value
}

function share(value: number, option: string): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    throw new RangeError(
      `${option}: must be over 0 and at most 1, received ${describeValue(value)}`,
    )
  }
  return value
}
