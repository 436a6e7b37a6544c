import { describeValue, isCorralError } from '@corral/connection'
import type { Ttl } from '../entry/ttl.ts'
import { leaseTimeout } from '../errors.ts'
import { textOf } from '../protocol/entry-format.ts'
import type { GetOrSetOptions, Policy, ResolveCall } from '../policy.ts'
import { traceChannel } from '../trace.ts'
import { isUntouchable, type MakeClaim } from './claim.ts'
import type { Load } from './load.ts'
import type { Job, Loading } from './loading.ts'
import type { Parts } from './parts.ts'
import { waitFor } from './patience.ts'
import type { Found } from './found.ts'
import type { Reads } from './reads.ts'
import type { Refreshing } from './refreshing.ts'
import type { Flight } from './single-flight.ts'

export type { GetOrSetOptions } from '../policy.ts'

const coalesced = traceChannel('corral:core:coalesced')

export interface GetOrSet {
  (key: string, load: Load<unknown>, options?: Ttl | GetOrSetOptions<never>): Promise<unknown>
}

/** As {@link GetOrSet}, for a key and options that were checked. */
export type Obtain = (
  key: string,
  redisKey: string,
  load: Load<unknown>,
  policy: Policy,
  gathered: boolean,
) => Promise<unknown>

/**
 * Reads a key, and on a miss loads and stores it.
 *
 * 1. A fresh copy in this process is the answer.
 * 2. All callers of one key share one flight, kept before Redis is asked.
 * 3. One read. A fresh entry is the answer; so is one inside `staleWhileRevalidate`, which is loaded
 *    anew behind it.
 * 4. On a miss one process takes the lease, loads, and stores where its lease still stands. The others
 *    take a value inside `staleIfError`, or wait for the one who loads.
 * 5. When loading fails, a value inside `staleIfError` stands in; else the error reaches all who share
 *    the flight, but those who have a fallback. Nothing is stored.
 * 6. Everybody gets what the next reader will get: the decoded copy.
 */
export function createObtain(
  parts: Parts,
  reads: Reads,
  claim: MakeClaim,
  loading: Loading,
  refreshing: Refreshing,
): Obtain {
  const { source, namespace, tier, near, journal, watermark, flights, counters, tally, failures } =
    parts

  /** Undefined: this process has no copy that may be served. A cached `undefined` does not exist. */
  function fromNear(key: string, redisKey: string, load: Load<unknown>, policy: Policy): unknown {
    const started = tally.startNear()
    const entry = journal.idle ? near?.peek(key) : undefined
    if (near === undefined || entry === undefined) return undefined
    const fresh = near.isFresh(entry)
    if (!fresh && !isWithin(entry.freshUntil, redisKey, policy.swrMs)) return undefined
    if (!fresh) refreshing.behind(key, redisKey, load, policy, undefined, false)
    else if (policy.beta > 0 && refreshing.wantsEarly(policy, redisKey, entry)) {
      refreshing.behind(key, redisKey, load, policy, undefined, true)
    }
    const value = near.valueOf(entry)
    tally.nearHit(key, !fresh, started)
    return value
  }

  function isWithin(freshUntil: number | undefined, redisKey: string, windowMs: number): boolean {
    return windowMs > 0 && freshUntil !== undefined && tier.now(redisKey) < freshUntil + windowMs
  }

  async function fly(job: Job): Promise<unknown> {
    const { key, redisKey, policy, flight } = job
    try {
      const started = tally.start()
      const found = await reads.find(key, redisKey, policy.schema)
      const { entry, fresh } = found
      if (entry !== undefined && !policy.forceFresh) {
        const early = fresh && policy.beta > 0 && refreshing.wantsEarly(policy, redisKey, entry)
        if (fresh || isWithin(entry.freshUntil, redisKey, policy.swrMs)) {
          if (early || !fresh) refreshing.behind(key, redisKey, job.load, policy, found, early)
          tally.hit(key, !fresh, started, found.stored?.length ?? 0)
          return entry.value
        }
        if (isWithin(entry.freshUntil, redisKey, policy.sieMs)) flight.stale = entry
      }
      const reason = policy.forceFresh ? 'forced' : entry === undefined ? found.missed : 'expired'
      tally.miss(key, reason, started)
      return await bring(job, found)
    } catch (error) {
      // Before the load began it is Redis that failed, under `onError: 'throw'`.
      if (flight.abandoned !== undefined || !flight.loading) throw error
      if (flight.stale === undefined) throw error
      return serveStale(flight)
    } finally {
      flights.end(redisKey, flight)
    }
  }

  async function bring(job: Job, found: Found): Promise<unknown> {
    const { key, redisKey, policy, flight } = job
    const { entry, missed, stored } = found
    if (missed === 'unavailable' || missed === 'journalled') return loading.withoutRedis(job)
    if (isUntouchable(found) || !watermark.mayStore)
      return loading.run(job, undefined, entry?.value)
    let claimed
    try {
      // A load that began earlier may know less than this one is to.
      if (policy.forceFresh && missed === 'lease' && stored !== null)
        await tier.remove(redisKey, textOf(stored))
      claimed = await claim(job, found, !policy.forceFresh)
    } catch (error) {
      failures.note('lease', error)
      if (isCorralError(error, 'REDIS_UNAVAILABLE')) return loading.withoutRedis(job)
      return loading.run(job, undefined, entry?.value)
    }
    switch (claimed.kind) {
      case 'held':
        return loading.run(job, claimed.lease, entry?.value)
      case 'entry':
        return claimed.entry.value
      case 'busy':
        return flight.stale === undefined
          ? loading.run(job, undefined, entry?.value)
          : serveStale(flight)
      case 'timeout':
        if (policy.onTimeout === 'load') return loading.run(job, undefined, entry?.value)
        throw leaseTimeout(key)
      case 'alone':
        return loading.run(job, undefined, entry?.value)
    }
  }

  function serveStale(flight: Flight): unknown {
    counters.staleServed++
    return flight.stale?.value
  }

  return function obtain(key, redisKey, load, policy, gathered) {
    const { signal, forceFresh } = policy
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (near !== undefined && !forceFresh && policy.schema === undefined) {
      const value = fromNear(key, redisKey, load, policy)
      if (value !== undefined) return Promise.resolve(value)
    }
    let flight = flights.find(redisKey)
    const checked = policy.schema !== undefined
    if (
      flight === undefined ||
      (checked && !flight.checked) ||
      (forceFresh && (flight.loading || !flight.forced))
    ) {
      flight = flights.begin(redisKey)
      flight.forced = forceFresh
      flight.checked = checked
      flight.result = fly({ key, redisKey, load, policy, flight, gathered, behind: false })
    } else {
      counters.coalesced++
      if (coalesced.hasSubscribers) coalesced.publish({ source, namespace, key })
    }
    return waitFor(parts, key, redisKey, flight, policy)
  }
}

/** `getOrSet` for callers: checks what they give. */
export function createGetOrSet(parts: Parts, resolve: ResolveCall, obtain: Obtain): GetOrSet {
  const { keyspace } = parts
  return function getOrSet(key, load, options) {
    try {
      if (typeof load !== 'function') {
        throw new TypeError(`load: must be a function, received ${describeValue(load)}`)
      }
      return obtain(key, keyspace.key(key), load, resolve(options), false)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}
