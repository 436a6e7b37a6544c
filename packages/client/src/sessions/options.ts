import { describeValue, type Duration, toMilliseconds } from '@corral/connection'

/** How sessions live; see each option. */
export interface SessionsOptions {
  /** How long a session lives without being used. 1 s to 366 days. @defaultValue '1d' */
  readonly ttl?: Duration
  /** How long it lives at most, however often it is used. 1 s to 366 days. @defaultValue '30d' */
  readonly absoluteTtl?: Duration
  /** Whether reading a session counts as using it. @defaultValue true */
  readonly rolling?: boolean
  /**
   * Keys the hashes of ids (HMAC-SHA-256), so that who reads Redis cannot even test a guess. All
   * processes need the same; with another one all sessions are unknown. 16 characters or more.
   *
   * @defaultValue none: plain SHA-256, enough for ids that are random
   */
  readonly secret?: string
  /**
   * Whose session it is, from its data, for sessions under ids of your own and in the express store.
   *
   * @defaultValue the data's `userId`, when it is a string or number
   */
  readonly userOf?: (data: unknown) => string | undefined
}

export interface ResolvedSessionsOptions {
  readonly ttlMs: number
  readonly absoluteMs: number
  readonly rolling: boolean
  readonly secret: string | undefined
  readonly userOf: (data: unknown) => string | undefined
}

const KNOWN: readonly string[] = [
  'ttl',
  'absoluteTtl',
  'rolling',
  'secret',
  'userOf',
] satisfies (keyof SessionsOptions)[]

/** @throws TypeError or RangeError naming option, rule and received value */
export function resolveSessionsOptions(options: SessionsOptions = {}): ResolvedSessionsOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`sessions: must be an object, received ${describeValue(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name))
      throw new TypeError(`${name}: is no option of sessions (${KNOWN.join(', ')})`)
  }
  const { ttl = '1d', absoluteTtl = '30d', rolling = true, secret, userOf = userIdOf } = options
  if (typeof rolling !== 'boolean') {
    throw new TypeError(`rolling: must be true or false, received ${describeValue(rolling)}`)
  }
  if (secret !== undefined && (typeof secret !== 'string' || secret.length < 16)) {
    // The value itself stays out of the message.
    throw new TypeError(
      `secret: must be a string of 16 characters or more, received ${typeof secret}`,
    )
  }
  if (typeof userOf !== 'function') {
    throw new TypeError(`userOf: must be a function, received ${describeValue(userOf)}`)
  }
  return {
    ttlMs: sessionSpan(ttl, 'ttl'),
    absoluteMs: sessionSpan(absoluteTtl, 'absoluteTtl'),
    rolling,
    secret,
    userOf,
  }
}

/** The longest that options let a session live; a revocation stands for as long. */
export const LONGEST_SESSION_MS: number = 366 * 86_400_000

/** @throws TypeError or RangeError outside 1 s to 366 days */
export function sessionSpan(value: Duration, option: string): number {
  const ms = toMilliseconds(value, option)
  if (ms >= 1_000 && ms <= LONGEST_SESSION_MS) return ms
  throw new RangeError(
    `${option}: must lie from '1s' to '366 days', received ${describeValue(value)}`,
  )
}

function userIdOf(data: unknown): string | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { userId } = data as { userId?: unknown }
  if (typeof userId === 'number' && Number.isFinite(userId)) return String(userId)
  return typeof userId === 'string' && userId !== '' ? userId : undefined
}
