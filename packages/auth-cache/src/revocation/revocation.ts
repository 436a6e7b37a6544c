import type { Cache } from '@corral/core'
import type { Clock } from '@corral/connection'
import { authUnavailable, revocationPending } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { LedgerKeys } from '../ledger/ledger-keys.ts'
import { LONGEST_MS, longestFillMs, type ResolvedAuthOptions } from '../options.ts'
import type { InspectToken, Presented } from '../tokens/inspect-token.ts'
import { traceChannel, type AuthCacheEvents } from '../trace.ts'
import { checkUserId } from '../user-id.ts'

const revocations = traceChannel('corral:auth-cache:revoke')

/** The half of an auth cache that takes trust away. */
export interface Revocation {
  /**
   * Revokes a token: from the moment this resolves it is refused everywhere (with `near`, elsewhere
   * after the signals' delay), and nothing that is under way brings it back. Revoke tokens that you
   * have authenticated. A token that no verifier would see needs none, and is left alone.
   *
   * @throws CorralError `REVOCATION_PENDING` when Redis did not acknowledge it
   */
  revokeToken(token: string): Promise<void>
  /**
   * Revokes all tokens of a user that were issued or verified before, and what was `set` for it, by
   * one command however many there are. Tokens issued afterwards are good.
   *
   * @throws CorralError `REVOCATION_PENDING`
   */
  revokeUser(userId: string): Promise<void>
  /**
   * As {@link revokeUser}, for everybody: after a key was lost, say.
   *
   * @throws CorralError `REVOCATION_PENDING`
   */
  revokeAll(): Promise<void>
}

export interface RevocationDeps {
  readonly options: ResolvedAuthOptions
  readonly cache: Cache
  readonly ledger: Ledger
  readonly keys: LedgerKeys
  readonly inspect: InspectToken
  readonly clock: Clock
  /** Keys of records of a token. */
  readonly recordKeys: (presented: Presented) => string[]
  readonly userKey: (userId: string) => string
  readonly isClosed: () => boolean
}

export function createRevocation(
  deps: RevocationDeps,
): Revocation & { readonly condemn: (presented: Presented) => Promise<void> } {
  const { options, cache, ledger, keys, inspect, clock } = deps
  const { namespace, revocationMs } = options
  const leastMs = longestFillMs(options)

  async function revoke(
    kind: AuthCacheEvents['corral:auth-cache:revoke']['kind'],
    key: string,
    ttlMs: number,
  ): Promise<void> {
    // Nothing would send it again.
    if (deps.isClosed()) throw authUnavailable('closed')
    const started = clock.now()
    let acknowledged = false
    try {
      await ledger.revoke(key, ttlMs)
      acknowledged = true
    } catch (error) {
      throw revocationPending(kind, error)
    } finally {
      if (revocations.hasSubscribers) {
        const duration = clock.now() - started
        revocations.publish({ namespace, kind, acknowledged, duration })
      }
    }
  }

  /** The stamp is in force already; this only frees memory, and ends loads of other processes. */
  function forget(recordKeys: readonly string[]): void {
    void cache.deleteMany(recordKeys).catch(() => undefined)
  }

  function tokenTtlMs({ endsAt }: Presented): number {
    const left = endsAt - clock.wallNow()
    // The end is what anybody wrote into it, and Redis takes no time that it cannot count.
    return left === Infinity ? revocationMs : Math.min(Math.max(left, 0) + leastMs, LONGEST_MS)
  }

  async function revokePresented(presented: Presented): Promise<void> {
    const [first] = presented.revocations
    try {
      await revoke('token', keys.token(first as string), tokenTtlMs(presented))
    } finally {
      forget(deps.recordKeys(presented))
    }
  }

  return {
    async condemn(presented) {
      // Not acknowledged: it is sent again, and the caller refuses the token anyhow.
      await revokePresented(presented).catch(() => undefined)
    },
    async revokeToken(token) {
      let presented: Presented
      try {
        presented = inspect(token, true)
      } catch {
        return
      }
      await revokePresented(presented)
    },
    async revokeUser(userId) {
      checkUserId(userId)
      try {
        await revoke('user', keys.user(userId), revocationMs)
      } finally {
        forget([deps.userKey(userId)])
      }
    },
    async revokeAll() {
      await revoke('all', keys.all, revocationMs)
    },
  }
}
