import { isCorralError } from '@corral/connection'
import type { Cache } from '@corral/core'
import { authUnavailable } from './errors.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { LedgerKeys } from './ledger/ledger-keys.ts'
import type { Records } from './records/records.ts'
import type { Verdicts } from './revocation/verdict.ts'
import { checkUserId } from './user-id.ts'

/** What is kept of a user beside its tokens. Stored as JSON. */
export interface AuthData {
  readonly user: unknown
  readonly userTenants: unknown
}

/** The half of an auth cache that keeps what belongs to users. */
export interface Users {
  /**
   * Keeps what belongs to a user, until `dataTtl` or `revokeUser`. False: Redis did not take it.
   */
  set(userId: string, data: AuthData): Promise<boolean>
  /** What was set, or `undefined`: also while Redis is away, or after `revokeUser`. Frozen. */
  get<T extends AuthData = AuthData>(userId: string): Promise<T | undefined>
  /**
   * Forgets what was set.
   *
   * @throws CorralError `AUTH_UNAVAILABLE` when Redis did not acknowledge it; this process serves it no more
   */
  clear(userId: string): Promise<void>
}

export function userKey(userId: string): string {
  return `u:${userId}`
}

export function createUsers(deps: {
  readonly cache: Cache
  readonly records: Records
  readonly ledger: Ledger
  readonly keys: LedgerKeys
  readonly verdicts: Verdicts
  readonly dataTtlMs: number
}): Users {
  const { cache, records, ledger, keys, verdicts, dataTtlMs } = deps
  const ttl = dataTtlMs / 1_000

  return {
    async set(userId, data) {
      checkUserId(userId)
      if (typeof data !== 'object' || data === null) {
        throw new TypeError(`data: must be an object, received ${typeof data}`)
      }
      const key = userKey(userId)
      try {
        const at = await ledger.newest()
        return await cache.set(key, records.pack(key, JSON.stringify({ at, data })), ttl)
      } catch (error) {
        if (!isCorralError(error)) throw error
        // An older one must not be served on.
        await cache.delete(key)
        return false
      }
    },
    async get<T extends AuthData>(userId: string) {
      checkUserId(userId)
      const key = userKey(userId)
      try {
        // This order, so that all leaves in one round trip.
        const [stamps, packed] = await Promise.all([
          ledger.read([keys.user(userId), keys.all], true),
          cache.get(key),
        ])
        const record = records.open(key, packed)
        if (record === undefined || verdicts.isUserRevoked(stamps, record.at)) return undefined
        return record.data as T
      } catch (error) {
        if (isCorralError(error)) return undefined
        throw error
      }
    },
    async clear(userId) {
      checkUserId(userId)
      if (!(await cache.delete(userKey(userId)))) throw authUnavailable('not-removed')
    },
  }
}
