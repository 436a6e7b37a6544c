import type { Keyspace } from '@corral/connection'
import { decodedCopy, encodeValue } from '../entry/encode-value.ts'
import type { MissReason } from '../entry/read-entry.ts'
import { callTtl, type Ttl } from '../entry/ttl.ts'
import type { Counters } from '../stats.ts'
import type { Tier } from '../tiers/tier.ts'
import { traceChannel, type CoreEvents } from '../trace.ts'
import { createLoadRun, type Load, type LoadRun } from './load.ts'
import type { Reads } from './reads.ts'
import type { Flight, SingleFlight } from './single-flight.ts'
import type { Writes } from './writes.ts'

const loads = traceChannel('corral:core:load')
const coalesced = traceChannel('corral:core:coalesced')

type LoadOutcome = CoreEvents['corral:core:load']['outcome']

/** Options of `getOrSet`. */
export interface GetOrSetOptions {
  /** How long a loaded value lives. @defaultValue the cache's `ttl` */
  readonly ttl?: Ttl
  /** Ends the wait of this caller; the load goes on while anybody else waits for it. */
  readonly signal?: AbortSignal
}

export interface GetOrSet {
  (key: string, load: Load<unknown>, options?: Ttl | GetOrSetOptions): Promise<unknown>
}

/**
 * Reads a key, and on a miss loads and stores it.
 *
 * 1. All callers of one key share one flight, kept before Redis is asked.
 * 2. One read. A hit is the answer.
 * 3. The loader runs; its error reaches all who share the flight, and nothing is stored.
 * 4. The value is stored, unless the loader said not to, or the key was set or deleted meanwhile.
 * 5. Everybody gets what the next reader will get: the decoded copy.
 */
export function createGetOrSet(
  keyspace: Keyspace,
  tier: Tier,
  defaultTtlMs: number,
  flights: SingleFlight,
  reads: Reads,
  writes: Writes,
  counters: Counters,
  inBackground: (work: Promise<unknown>) => void,
): GetOrSet {
  const { namespace } = keyspace
  const { clock } = tier

  async function fly(
    flight: Flight,
    key: string,
    redisKey: string,
    load: Load<unknown>,
    ttlMs: number,
  ): Promise<unknown> {
    try {
      const found = await reads.find(key, redisKey)
      if (typeof found !== 'string') return found.value
      return await loadAndKeep(flight, key, redisKey, load, ttlMs, found)
    } finally {
      flights.end(redisKey, flight)
    }
  }

  async function loadAndKeep(
    flight: Flight,
    key: string,
    redisKey: string,
    load: Load<unknown>,
    ttlMs: number,
    missed: MissReason,
  ): Promise<unknown> {
    const run = createLoadRun(key, ttlMs, flight)
    const started = clock.now()
    counters.loads++
    let outcome: LoadOutcome = 'failed'
    try {
      const value = await load(run.context)
      if (value === undefined) {
        outcome = 'skipped'
        return undefined
      }
      const tail = encodeValue(key, redisKey, value, clock.now() - started)
      outcome = await keep(flight, run, key, redisKey, tail, missed)
      return decodedCopy(redisKey, tail)
    } finally {
      if (loads.hasSubscribers) {
        loads.publish({ namespace, key, outcome, duration: clock.now() - started })
      }
    }
  }

  async function keep(
    flight: Flight,
    run: LoadRun,
    key: string,
    redisKey: string,
    tail: string,
    missed: MissReason,
  ): Promise<LoadOutcome> {
    if (run.skipped) return 'skipped'
    if (flight.superseded) return 'superseded'
    // A later version of Corral uses this key; what it wrote is not ours to replace.
    if (missed === 'newer') return 'not-stored'
    const filled = writes.fill(key, redisKey, tail, run.ttlMs)
    if (missed === 'unavailable') {
      // The caller has waited for Redis once; it may be back, but that is not worth a second wait.
      inBackground(filled)
      return 'not-stored'
    }
    return (await filled) ? 'stored' : 'not-stored'
  }

  return function getOrSet(key, load, options): Promise<unknown> {
    try {
      const redisKey = keyspace.key(key)
      const ttlMs = callTtl(options, defaultTtlMs)
      const signal = typeof options === 'object' ? options.signal : undefined
      if (signal?.aborted === true) return Promise.reject(signal.reason as Error)

      let flight = flights.find(redisKey)
      if (flight === undefined) {
        flight = flights.begin(redisKey)
        flight.result = fly(flight, key, redisKey, load, ttlMs)
      } else {
        counters.coalesced++
        if (coalesced.hasSubscribers) coalesced.publish({ namespace, key })
      }
      return signal === undefined
        ? flights.wait(flight)
        : flights.waitUntil(redisKey, flight, signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}
