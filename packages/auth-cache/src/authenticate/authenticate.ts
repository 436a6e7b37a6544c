import { isCorralError, type Clock, type Connection } from '@corral/connection'
import type { Cache, Jsonify, LoadContext } from '@corral/core'
import { LRUCache } from 'lru-cache'
import { authUnavailable, tokenInvalid, tokenRevoked } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { ResolvedAuthOptions } from '../options.ts'
import type { AuthRecord, PackedRecord, Records } from '../records/records.ts'
import type { Verdicts } from '../revocation/verdict.ts'
import type { InspectToken, Presented } from '../tokens/inspect-token.ts'
import { traceChannel, type AuthCacheEvents } from '../trace.ts'
import type { RejectedTokens } from './rejected-tokens.ts'
import { isCurrent, isServable, readRecord, verifiedKey } from './token-records.ts'
import type { Verifications } from './verifications.ts'
import { asStored, cacheableUntil, recordOf } from './verified-record.ts'
import type { AuthIdentity, Verify } from './verify.ts'

const attempts = traceChannel('corral:auth-cache:authenticate')

type Outcome = AuthCacheEvents['corral:auth-cache:authenticate']['outcome']

/**
 * Whose token it is: from the cache, or from the verifier, which runs once however many ask at a time.
 * What one verifier said is what all callers get: another one wants an auth cache on a cache of
 * another namespace (`cache.child('partners')`).
 *
 * @throws CorralError `TOKEN_INVALID`, `TOKEN_REVOKED`, `AUTH_UNAVAILABLE`
 */
export type Authenticate = <T extends AuthIdentity>(
  token: string,
  verify: Verify<T>,
) => Promise<Jsonify<T>>

export interface AuthenticateDeps {
  readonly options: ResolvedAuthOptions
  readonly cache: Cache
  readonly connection: Connection | undefined
  readonly clock: Clock
  readonly records: Records
  readonly ledger: Ledger
  readonly verdicts: Verdicts
  readonly rejected: RejectedTokens
  readonly verifications: Verifications
  readonly inspect: InspectToken
  /** Revokes a token that is known to be from before its user's revocation. Does not reject. */
  readonly condemn: (presented: Presented) => Promise<void>
  readonly isClosed: () => boolean
}

export interface Authentication {
  readonly authenticate: Authenticate
  /** Who asks from now on shares nothing that is under way for the token. */
  readonly detach: (presented: Presented) => void
}

/** Tokens whose user is remembered, so that all that is asked of Redis for them takes one round trip. */
const MOST_HINTS = 10_000

/** Redis cannot say what was revoked. */
class LedgerAway extends Error {}

export function createAuthentication(deps: AuthenticateDeps): Authentication {
  const { options, cache, connection, clock, records, ledger, verdicts } = deps
  const { rejected, verifications } = deps
  const { namespace, ttlMs, staleMs, skewMs } = options
  const users = new LRUCache<string, string>({ max: MOST_HINTS })
  const flights = new Map<string, Promise<AuthRecord | undefined>>()
  const sourceFlights = new Map<string, Promise<AuthRecord | undefined>>()

  /** One run for all who ask meanwhile. */
  function shared(
    running: Map<string, Promise<AuthRecord | undefined>>,
    digest: string,
    run: () => Promise<AuthRecord | undefined>,
  ): Promise<AuthRecord | undefined> {
    const joined = running.get(digest)
    if (joined !== undefined) return joined
    const flight = verifications.inPlace(run).finally(() => {
      if (running.get(digest) === flight) running.delete(digest)
    })
    running.set(digest, flight)
    return flight
  }

  async function stamps(keys: readonly string[], keep: boolean): Promise<readonly number[]> {
    try {
      return await ledger.read(keys, keep)
    } catch (error) {
      throw isCorralError(error) ? new LedgerAway() : error
    }
  }

  /** To be asked before the verifier is: a revocation from then on kills what it says. */
  async function newest(): Promise<number> {
    try {
      return await ledger.newest()
    } catch (error) {
      throw isCorralError(error) ? new LedgerAway() : error
    }
  }

  /** Throws unless the record may be served, by what was revoked up to this moment. */
  async function settle(presented: Presented, record: AuthRecord): Promise<void> {
    const read = await stamps(verdicts.keysOf(presented, record.user), true)
    await judge(presented, read, record)
  }

  async function judge(
    presented: Presented,
    read: readonly number[],
    { at, user }: AuthRecord,
  ): Promise<void> {
    if (!verdicts.isRevoked(presented, read, at)) return
    const keys = verdicts.keysOf(presented, user)
    // What cannot be read may be mended: it refuses, and leaves nothing behind.
    const sure = read.map((stamp, i) =>
      stamp < Infinity ? stamp : ledger.known(keys[i] as string),
    )
    // Its user was revoked. That it is older is known only as long as its record lasts, so it is
    // written down: a verifier that is asked later may know of neither.
    const isOlder = verdicts.isRevoked(presented, sure, at)
    if (isOlder && !verdicts.isRevokedForGood(presented, sure)) await deps.condemn(presented)
    throw tokenRevoked()
  }

  /** What is cached and good, asked for in one round trip where the user is known. */
  async function fromCache(presented: Presented): Promise<AuthRecord | undefined> {
    const now = clock.wallNow()
    if (!isServable(presented, now)) return undefined
    const [digest] = presented.digests as [string]
    const hint = users.get(digest)
    const asked = verdicts.keysOf(presented, hint)
    const reading = stamps(asked, hint !== undefined)
    const [record, read] = await Promise.all([
      readRecord(cache, records, presented.digests.map(verifiedKey), now),
      reading,
    ])
    if (record === undefined) {
      if (verdicts.isRevoked(presented, read, Infinity)) throw tokenRevoked()
      return undefined
    }
    if (hint !== undefined && hint === record.user) {
      await judge(presented, read, record)
      return record
    }
    await settle(presented, record)
    if (record.user !== undefined) users.set(digest, record.user)
    return record
  }

  async function load(
    token: string,
    presented: Presented,
    verify: Verify<AuthIdentity>,
    staleLeftMs: number,
    context: LoadContext,
  ): Promise<PackedRecord | undefined> {
    const at = await newest()
    const verified = await verifications.run(token, verify)
    const key = context.key
    if (verified === undefined) {
      // What it said before must not be served on as stale.
      if (context.stale !== undefined) await cache.delete(key)
      return undefined
    }
    const now = clock.wallNow()
    // Fresh and stale together never last longer than the token, however long the verifier took.
    const freshMs = Math.min(
      ttlMs,
      cacheableUntil(presented, verified, skewMs) - now,
      presented.cacheableUntil - now - staleLeftMs,
    )
    if (freshMs > 0) context.setTtl(freshMs / 1_000)
    else context.skip()
    return records.pack(key, JSON.stringify(recordOf(presented, at, verified, skewMs)))
  }

  /** Through the cache: one verifier in all processes, and what it says is stored. */
  async function throughCache(
    token: string,
    presented: Presented,
    verify: Verify<AuthIdentity>,
  ): Promise<AuthRecord> {
    const [digest] = presented.digests as [string]
    const record = await shared(flights, digest, async () => {
      const left = presented.cacheableUntil - clock.wallNow()
      if (left <= 0) return unstored(token, presented, verify)
      const key = verifiedKey(digest)
      const staleLeftMs = Math.min(staleMs, Math.max(0, left - ttlMs))
      const run = (context: LoadContext): Promise<PackedRecord | undefined> =>
        load(token, presented, verify, staleLeftMs, context)
      const packed = await cache.getOrSet(key, run, { staleWhileRevalidate: staleLeftMs / 1_000 })
      if (packed === undefined) return undefined
      const record = records.open(key, packed)
      if (record !== undefined && isCurrent(record, clock.wallNow())) return record
      // Not ours, or past its end: not to be believed, and not to stay.
      const again = await cache.getOrSet(key, run, { forceFresh: true })
      return again && records.open(key, again)
    })
    if (record === undefined) throw refuse(presented, digest)
    await settle(presented, record)
    if (record.user !== undefined) users.set(digest, record.user)
    return record
  }

  /** At the very end of a token, between the clocks: the verifier decides, and nothing is kept. */
  async function unstored(
    token: string,
    presented: Presented,
    verify: Verify<AuthIdentity>,
  ): Promise<AuthRecord | undefined> {
    const at = await newest()
    const verified = await verifications.run(token, verify)
    return verified && asStored(recordOf(presented, at, verified, skewMs))
  }

  /** While revocations cannot be read: the verifier alone, each time. */
  async function atSource(
    token: string,
    presented: Presented,
    verify: Verify<AuthIdentity>,
  ): Promise<AuthRecord> {
    if (options.onUnavailable === 'refuse') throw authUnavailable('redis')
    const [digest] = presented.digests as [string]
    const record = await shared(sourceFlights, digest, async () => {
      const at = ledger.newestKnown
      const verified = await verifications.run(token, verify)
      return verified && asStored(recordOf(presented, at, verified, skewMs))
    })
    if (record === undefined) throw refuse(presented, digest)
    if (verdicts.isKnownRevoked(presented, record.user, record.at)) throw tokenRevoked()
    if (connection?.available !== true) return record
    // Redis may be back. Who was revoked meanwhile, or perhaps before, is looked at in full.
    let read: readonly number[]
    try {
      read = await stamps(verdicts.keysOf(presented, record.user), false)
    } catch (error) {
      if (error instanceof LedgerAway) return record
      throw error
    }
    if (!verdicts.isRevoked(presented, read, record.at)) return record
    try {
      return await throughCache(token, presented, verify)
    } catch (error) {
      // Away again: of a revocation that is there nobody can say whether it still counts.
      throw error instanceof LedgerAway ? authUnavailable('redis') : error
    }
  }

  function refuse(presented: Presented, digest: string): Error {
    if (!presented.early) rejected.add(digest)
    return tokenInvalid('rejected')
  }

  async function find(
    token: string,
    verify: Verify<AuthIdentity>,
  ): Promise<{ readonly record: AuthRecord; readonly outcome: Outcome }> {
    if (deps.isClosed()) throw authUnavailable('closed')
    const presented = deps.inspect(token)
    if (rejected.has(presented.digests[0] as string)) throw tokenInvalid('rejected')
    if (verdicts.isKnownRevoked(presented, undefined, Infinity)) throw tokenRevoked()
    try {
      const cached = await fromCache(presented)
      if (cached !== undefined) return { record: cached, outcome: 'hit' }
      return { record: await throughCache(token, presented, verify), outcome: 'verified' }
    } catch (error) {
      if (!(error instanceof LedgerAway)) throw error
    }
    return { record: await atSource(token, presented, verify), outcome: 'source' }
  }

  function tell(outcome: Outcome, started: number): void {
    attempts.publish({ namespace, outcome, duration: clock.now() - started })
  }

  return {
    async authenticate<T extends AuthIdentity>(token: string, verify: Verify<T>) {
      if (typeof verify !== 'function') {
        throw new TypeError(`verify: must be a function, received ${typeof verify}`)
      }
      const started = attempts.hasSubscribers ? clock.now() : 0
      try {
        const { record, outcome } = await find(token, verify)
        if (attempts.hasSubscribers) tell(outcome, started)
        return record.data as Jsonify<T>
      } catch (error) {
        if (attempts.hasSubscribers) tell(outcomeOf(error), started)
        throw error
      }
    },
    detach({ digests }) {
      flights.delete(digests[0] as string)
      sourceFlights.delete(digests[0] as string)
    },
  }
}

function outcomeOf(error: unknown): Outcome {
  if (isCorralError(error, 'TOKEN_INVALID')) return 'invalid'
  if (isCorralError(error, 'TOKEN_REVOKED')) return 'revoked'
  return isCorralError(error, 'AUTH_UNAVAILABLE') ? 'unavailable' : 'failed'
}
