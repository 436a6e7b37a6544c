import { describeValue, isCorralError, type Clock, type Duration } from '@corral/connection'
import type { Cache } from '@corral/core'
import { knownKey, isServable, readRecord, verifiedKey } from './authenticate/token-records.ts'
import type { RejectedTokens } from './authenticate/rejected-tokens.ts'
import { authUnavailable } from './errors.ts'
import type { Ledger } from './ledger/ledger.ts'
import { bounded } from './options.ts'
import type { AuthRecord, Records } from './records/records.ts'
import type { Verdicts } from './revocation/verdict.ts'
import type { InspectToken, Presented } from './tokens/inspect-token.ts'
import { checkUserId } from './user-id.ts'

/** Options of `setToken`. */
export interface SetTokenOptions {
  /** Whose it is, so that `revokeUser` takes it away. @defaultValue none */
  readonly userId?: string
  /** How long it is known; a JWT's `exp` bounds it. @defaultValue the auth cache's `dataTtl` */
  readonly ttl?: Duration
}

/** The half of an auth cache that knows tokens without asking a verifier. */
export interface KnownTokens {
  /**
   * Makes a token known that was found to be good. False: it is not kept, because Redis is away, or
   * the token is invalid or revoked.
   */
  setToken(token: string, options?: SetTokenOptions): Promise<boolean>
  /** The token itself if it is known (set, or authenticated lately) and not revoked, else `undefined`. */
  getToken(token: string): Promise<string | undefined>
  /**
   * Forgets what is known of a token; it may become known again. Against a token that may be stolen
   * use `revokeToken`.
   *
   * @throws CorralError `AUTH_UNAVAILABLE` when Redis did not acknowledge it; this process serves it no more
   */
  clearToken(token: string): Promise<void>
}

/** Where a token may stand; under each pepper. */
export function tokenKeys({ digests }: Presented): string[] {
  return [...digests.map(verifiedKey), ...digests.map(knownKey)]
}

export function createKnownTokens(deps: {
  readonly cache: Cache
  readonly clock: Clock
  readonly records: Records
  readonly ledger: Ledger
  readonly verdicts: Verdicts
  readonly rejected: RejectedTokens
  readonly inspect: InspectToken
  readonly dataTtlMs: number
  readonly detach: (presented: Presented) => void
}): KnownTokens {
  const { cache, clock, records, ledger, verdicts, rejected, inspect, dataTtlMs, detach } = deps

  /** Nothing for a token that need not be asked about. */
  function look(token: string): Presented | undefined {
    try {
      return inspect(token)
    } catch {
      return undefined
    }
  }

  async function store(
    presented: Presented,
    userId: string | undefined,
    ttlMs: number,
  ): Promise<boolean> {
    const [at, stamps] = await Promise.all([
      ledger.newest(),
      ledger.read(verdicts.keysOf(presented, userId), false),
    ])
    if (verdicts.isRevoked(presented, stamps, Infinity)) return false
    const { cacheableUntil, issuedAt } = presented
    const record: AuthRecord = {
      at,
      ...(cacheableUntil !== Infinity && { until: cacheableUntil }),
      ...(issuedAt !== undefined && { iat: issuedAt }),
      ...(userId !== undefined && { user: userId }),
    }
    const left = Math.min(ttlMs, cacheableUntil - clock.wallNow())
    if (left <= 0) return false
    const key = knownKey(presented.digests[0] as string)
    return cache.set(key, records.pack(key, JSON.stringify(record)), left / 1_000)
  }

  return {
    async setToken(token, options = {}) {
      checkOptions(options)
      const { userId, ttl } = options
      const ttlMs = ttl === undefined ? dataTtlMs : bounded(ttl, 'ttl')
      const presented = look(token)
      if (presented === undefined) return false
      rejected.delete(presented.digests[0] as string)
      try {
        return await store(presented, userId, ttlMs)
      } catch (error) {
        if (isCorralError(error)) return false
        throw error
      }
    },
    async getToken(token) {
      const presented = look(token)
      const now = clock.wallNow()
      if (presented === undefined || !isServable(presented, now)) return undefined
      const record = await readRecord(cache, records, tokenKeys(presented), now)
      if (record === undefined) return undefined
      try {
        const stamps = await ledger.read(verdicts.keysOf(presented, record.user), true)
        return verdicts.isRevoked(presented, stamps, record.at) ? undefined : token
      } catch (error) {
        if (isCorralError(error)) return undefined
        throw error
      }
    },
    async clearToken(token) {
      const presented = look(token)
      if (presented === undefined) return
      detach(presented)
      const gone = await cache.deleteMany(tokenKeys(presented))
      detach(presented)
      if (gone.includes(false)) throw authUnavailable('not-removed')
    },
  }
}

/**
 * A misspelt `userId` would be a token that no revocation of its user reaches.
 *
 * @throws TypeError
 */
function checkOptions(options: SetTokenOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (name === 'userId' || name === 'ttl') continue
    throw new TypeError(`${name}: is no option of setToken (userId, ttl)`)
  }
  if (options.userId !== undefined) checkUserId(options.userId)
}
