import { systemClock } from '@corral/connection'
import { createCache, type Cache } from '@corral/core'
import { createAuthentication, type Authenticate } from './authenticate/authenticate.ts'
import { createRejectedTokens } from './authenticate/rejected-tokens.ts'
import { createVerifications } from './authenticate/verifications.ts'
import { createKnownTokens, tokenKeys, type KnownTokens } from './known-tokens.ts'
import { createLedgerKeys } from './ledger/ledger-keys.ts'
import { createMemoryLedger } from './ledger/memory-ledger.ts'
import { createRedisLedger } from './ledger/redis-ledger.ts'
import { resolveAuthOptions, type AuthCacheOptions, type ResolvedAuthOptions } from './options.ts'
import { createRecords } from './records/records.ts'
import { createRevocation, type Revocation } from './revocation/revocation.ts'
import { createVerdicts } from './revocation/verdict.ts'
import { createDigests } from './tokens/digests.ts'
import { createInspectToken } from './tokens/inspect-token.ts'
import { createUsers, userKey, type Users } from './users.ts'

/** Tokens and users, cached so that what was revoked is never served. */
export interface AuthCache extends KnownTokens, Users, Revocation {
  /** Below it lies everything in Redis: `<namespace of the cache>:auth`. */
  readonly namespace: string
  readonly authenticate: Authenticate
  /** Sends revocations that wait once more, and ends; the cache it was given stays open. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Makes an auth cache.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 *
 * @example
 * ```ts
 * import { createAuthCache } from '@corral/auth-cache'
 * import { createCache } from '@corral/core'
 *
 * const cache = createCache({ namespace: 'shop:v1' })
 * const auth = createAuthCache({ cache, ttl: '5m' })
 * const who = await auth.authenticate('opaque-token-of-ada', async () => ({ userId: 'ada' }))
 * who.userId // 'ada'
 * await auth.revokeUser('ada')
 * await auth.close()
 * await cache.close()
 * ```
 */
export function createAuthCache(options: AuthCacheOptions): AuthCache {
  const resolved = resolveAuthOptions(options)
  const { namespace, near, dataTtlMs } = resolved
  const { connection } = resolved.cache
  const clock = connection?.clock ?? systemClock
  const cache = openRecords(resolved)
  const keys = createLedgerKeys(namespace)
  const copies = near === undefined ? undefined : 4 * (near.maxEntries ?? 10_000)
  const ledger =
    connection === undefined
      ? createMemoryLedger(clock)
      : createRedisLedger(connection, keys, copies)
  const digests = createDigests(resolved.peppers)
  const records = createRecords(digests, namespace)
  const verdicts = createVerdicts(ledger, keys)
  const rejected = createRejectedTokens(clock, resolved.negativeMs, resolved.maxRejected)
  const inspect = createInspectToken(resolved, digests, () => clock.wallNow())
  let closing: Promise<void> | undefined
  const isClosed = (): boolean => closing !== undefined

  const { condemn, ...revocation } = createRevocation({
    options: resolved,
    cache,
    ledger,
    keys,
    inspect,
    clock,
    recordKeys: tokenKeys,
    userKey,
    isClosed,
  })
  const { authenticate, detach } = createAuthentication({
    options: resolved,
    cache,
    connection,
    clock,
    records,
    ledger,
    verdicts,
    rejected,
    verifications: createVerifications(resolved, clock),
    inspect,
    condemn,
    isClosed,
  })

  async function end(): Promise<void> {
    await ledger.close()
    await cache.close()
  }
  function close(): Promise<void> {
    return (closing ??= end())
  }

  return {
    namespace,
    authenticate,
    ...createKnownTokens({
      cache,
      clock,
      records,
      ledger,
      verdicts,
      rejected,
      inspect,
      dataTtlMs,
      detach,
    }),
    ...createUsers({ cache, records, ledger, keys, verdicts, dataTtlMs }),
    ...revocation,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * A cache of its own and no child: it must not take over the near cache of the one it stands on,
 * whose delay would then hold here too, nor its outage buffer.
 */
function openRecords(options: ResolvedAuthOptions): Cache {
  const { namespace, near, ttlMs, maxVerifications } = options
  const { connection } = options.cache
  return createCache({
    namespace,
    ...(connection !== undefined && { connection }),
    ...(near !== undefined && { near: { ...near, copy: 'freeze' } }),
    ttl: ttlMs / 1_000,
    outageBuffer: false,
    maxLoads: maxVerifications,
  })
}
