/** Every code that `@corral/connection` puts on an error. `docs/errors.md` has cause and cure. */
export const connectionCodes = [
  'REDIS_UNAVAILABLE',
  'REDIS_FULL',
  'REDIS_REPLY',
  'WRONG_TYPE',
  'VALUE_TOO_LARGE',
  'CONNECTION_CLOSED',
] as const

export type ConnectionCode = (typeof connectionCodes)[number]

/**
 * Why Redis counted as unavailable for a call.
 *
 * - `connecting`: the first connect was not done within the deadline
 * - `not-ready`: the client is reconnecting, loading or ended; nothing was sent
 * - `breaker-open`: earlier calls failed; nothing was sent
 * - `isolated`: `isolate()` was called; nothing was sent
 * - `overloaded`: our own bounds (`maxQueued`) were full; nothing was sent
 * - `deadline`: no answer within the deadline; a read has no effect, a write has none later
 * - `connection-lost`: the socket died before the answer came; a write may have been done
 * - `refused`: Redis answered that it cannot serve (LOADING, CLUSTERDOWN, READONLY, NOAUTH …)
 */
export type UnavailableReason =
  | 'connecting'
  | 'not-ready'
  | 'breaker-open'
  | 'isolated'
  | 'overloaded'
  | 'deadline'
  | 'connection-lost'
  | 'refused'

const brand: unique symbol = Symbol.for('corral.error') as never

export interface CorralErrorOptions {
  /** What went wrong below, scrubbed: it never holds command arguments, values or URLs. */
  readonly cause?: unknown
  /** Finer grain of `REDIS_UNAVAILABLE`. */
  readonly reason?: string
}

/**
 * What every Corral package throws or rejects with, apart from wrong options (`TypeError`,
 * `RangeError`) and aborted calls (`signal.reason`). Branch on `code`, not on the message.
 *
 * @example
 * ```ts
 * import { CorralError } from '@corral/connection'
 * const error = new CorralError('REDIS_UNAVAILABLE', 'Redis is away', { reason: 'not-ready' })
 * error.code // 'REDIS_UNAVAILABLE'
 * ```
 */
export class CorralError<Code extends string = string> extends Error {
  override readonly name = 'CorralError'
  readonly code: Code
  readonly reason: string | undefined

  constructor(code: Code, message: string, options: CorralErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.reason = options.reason
  }
}

// On the prototype and by a registered symbol, so that the check works across two installed copies.
Object.defineProperty(CorralError.prototype, brand, { value: true })

/**
 * Tells a Corral error, also one made by another installed copy of the package.
 *
 * @param error what was caught
 * @param code narrows to one code when given
 */
export function isCorralError<Code extends string = string>(
  error: unknown,
  code?: Code,
): error is CorralError<Code> {
  if (typeof error !== 'object' || error === null || !(brand in error)) return false
  return code === undefined || (error as { readonly code?: unknown }).code === code
}

/**
 * A `REDIS_UNAVAILABLE` with its reason; the one error that means "do without Redis for now".
 *
 * Without a stack: in an outage every call gets one, most are made when a reply or timer comes in
 * (so that a stack would name nobody), and capturing it is most of what a refused call would cost.
 */
export function unavailable(
  reason: UnavailableReason,
  message: string,
  cause?: unknown,
): CorralError<'REDIS_UNAVAILABLE'> {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new CorralError('REDIS_UNAVAILABLE', message, { reason, cause })
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
