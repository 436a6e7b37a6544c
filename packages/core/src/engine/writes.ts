import type { Keyspace } from '@corral/connection'
import { encodeValue } from '../entry/encode-value.ts'
import { callTtl, type Ttl } from '../entry/ttl.ts'
import type { Counters } from '../stats.ts'
import type { Tier, TierWrite } from '../tiers/tier.ts'
import { traceChannel } from '../trace.ts'
import type { Failures } from './failures.ts'
import type { SingleFlight } from './single-flight.ts'

const sets = traceChannel('corral:core:set')
const deletes = traceChannel('corral:core:delete')

/** Options of `set`. */
export interface SetOptions {
  /** How long the entry lives. @defaultValue the cache's `ttl` */
  readonly ttl?: Ttl
}

/** One entry of `setMany`. */
export interface SetEntry extends SetOptions {
  readonly key: string
  readonly value: unknown
}

/** The writing half of a cache. */
export interface Writes {
  readonly set: (key: string, value: unknown, ttl?: Ttl | SetOptions) => Promise<boolean>
  readonly setMany: (entries: readonly SetEntry[], ttl?: Ttl | SetOptions) => Promise<boolean[]>
  /** Stores what a loader brought; never over another type than a string, and never rejects. */
  readonly fill: (key: string, redisKey: string, tail: string, ttlMs: number) => Promise<boolean>
  readonly delete: (key: string) => Promise<boolean>
  readonly deleteMany: (keys: readonly string[]) => Promise<boolean[]>
}

export function createWrites(
  keyspace: Keyspace,
  tier: Tier,
  defaultTtlMs: number,
  flights: SingleFlight,
  counters: Counters,
  failures: Failures,
): Writes {
  const { namespace } = keyspace
  const { clock } = tier
  const notePartial = failures.degrade
    ? {
        set: (error: unknown) => failures.note('set', error),
        delete: (error: unknown) => failures.note('delete', error),
      }
    : undefined

  function toldSet(
    key: string,
    stored: boolean,
    size: number,
    ttlMs: number,
    started: number,
  ): boolean {
    if (stored) counters.sets++
    if (sets.hasSubscribers) {
      sets.publish({ namespace, key, stored, size, ttlMs, duration: clock.now() - started })
    }
    return stored
  }

  function toldDelete(key: string, acknowledged: boolean, started: number): boolean {
    if (acknowledged) counters.deletes++
    if (deletes.hasSubscribers) {
      deletes.publish({ namespace, key, acknowledged, duration: clock.now() - started })
    }
    return acknowledged
  }

  async function set(key: string, value: unknown, ttl?: Ttl | SetOptions): Promise<boolean> {
    const redisKey = keyspace.key(key)
    const ttlMs = callTtl(ttl, defaultTtlMs)
    if (value === undefined) return false
    const tail = encodeValue(key, redisKey, value, 0)
    flights.supersede(redisKey)
    const started = sets.hasSubscribers ? clock.now() : 0
    try {
      await tier.set(redisKey, tail, ttlMs)
    } catch (error) {
      failures.absorb('set', error)
      return toldSet(key, false, tail.length, ttlMs, started)
    }
    return toldSet(key, true, tail.length, ttlMs, started)
  }

  async function fill(
    key: string,
    redisKey: string,
    tail: string,
    ttlMs: number,
  ): Promise<boolean> {
    const started = sets.hasSubscribers ? clock.now() : 0
    let stored = true
    try {
      await tier.fill(redisKey, tail, ttlMs)
    } catch (error) {
      failures.note('set', error)
      stored = false
    }
    return toldSet(key, stored, tail.length, ttlMs, started)
  }

  async function setMany(entries: readonly SetEntry[], ttl?: Ttl | SetOptions): Promise<boolean[]> {
    const callTtlMs = callTtl(ttl, defaultTtlMs)
    // All are encoded before the first is sent: a value that cannot be stored leaves nothing half done.
    const writes: TierWrite[] = []
    const places: number[] = []
    entries.forEach(({ key, value, ttl: own }, place) => {
      const redisKey = keyspace.key(key)
      const ttlMs = callTtl(own, callTtlMs)
      if (value === undefined) return
      writes.push({ redisKey, tail: encodeValue(key, redisKey, value, 0), ttlMs })
      places.push(place)
    })
    for (const { redisKey } of writes) flights.supersede(redisKey)

    const started = sets.hasSubscribers ? clock.now() : 0
    const stored = await tier.setMany(writes, notePartial?.set).catch((error: unknown) => {
      failures.absorb('set', error)
      return writes.map(() => false)
    })
    const results = entries.map(() => false)
    writes.forEach(({ tail, ttlMs }, index) => {
      const place = places[index] as number
      const { key } = entries[place] as SetEntry
      results[place] = toldSet(key, stored[index] === true, tail.length, ttlMs, started)
    })
    return results
  }

  async function remove(key: string): Promise<boolean> {
    const redisKey = keyspace.key(key)
    flights.supersede(redisKey)
    const started = deletes.hasSubscribers ? clock.now() : 0
    try {
      await tier.delete(redisKey)
    } catch (error) {
      failures.absorb('delete', error)
      return toldDelete(key, false, started)
    }
    return toldDelete(key, true, started)
  }

  async function deleteMany(keys: readonly string[]): Promise<boolean[]> {
    const redisKeys = keys.map((key) => keyspace.key(key))
    for (const redisKey of redisKeys) flights.supersede(redisKey)
    const started = deletes.hasSubscribers ? clock.now() : 0
    const gone = await tier.deleteMany(redisKeys, notePartial?.delete).catch((error: unknown) => {
      failures.absorb('delete', error)
      return keys.map(() => false)
    })
    return keys.map((key, index) => toldDelete(key, gone[index] === true, started))
  }

  return { set, setMany, fill, delete: remove, deleteMany }
}
