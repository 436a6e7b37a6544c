import type { Keyspace } from '@corral/connection'
import { readEntry, type MissReason } from '../entry/read-entry.ts'
import type { DecodedEntry } from '../protocol/wire-entry.ts'
import type { Counters } from '../stats.ts'
import type { Tier } from '../tiers/tier.ts'
import { traceChannel } from '../trace.ts'
import type { Failures } from './failures.ts'

const hits = traceChannel('corral:core:hit')
const misses = traceChannel('corral:core:miss')

/** The reading half of a cache. */
export interface Reads {
  readonly get: (key: string) => Promise<unknown>
  readonly getMany: (keys: readonly string[]) => Promise<unknown[]>
  /** As `get`, but tells why there is nothing. */
  readonly find: (key: string, redisKey: string) => Promise<DecodedEntry | MissReason>
  /** Seconds left; `Infinity` without an end, `undefined` when absent. */
  readonly ttl: (key: string) => Promise<number | undefined>
}

export function createReads(
  keyspace: Keyspace,
  tier: Tier,
  counters: Counters,
  failures: Failures,
): Reads {
  const { namespace } = keyspace
  const { clock } = tier

  /** The clock is only read for listeners. */
  function start(): number {
    return hits.hasSubscribers || misses.hasSubscribers ? clock.now() : 0
  }

  function missed(key: string, reason: MissReason, started: number): MissReason {
    counters.misses++
    if (misses.hasSubscribers) {
      misses.publish({ namespace, key, reason, duration: clock.now() - started })
    }
    return reason
  }

  function judge(
    key: string,
    redisKey: string,
    text: string | null,
    started: number,
  ): DecodedEntry | MissReason {
    const entry = readEntry(text, redisKey, clock)
    if (typeof entry === 'string') return missed(key, entry, started)
    counters.hits++
    if (hits.hasSubscribers) {
      hits.publish({ namespace, key, tier: tier.kind, duration: clock.now() - started })
    }
    return entry
  }

  function valueOf(entry: DecodedEntry | MissReason): unknown {
    return typeof entry === 'string' ? undefined : entry.value
  }

  function unavailable(key: string, error: unknown, started: number): MissReason {
    failures.absorb('get', error)
    return missed(key, 'unavailable', started)
  }

  // `get` repeats the lines of `find`: one promise less on the path that everybody takes.
  async function get(key: string): Promise<unknown> {
    const redisKey = keyspace.key(key)
    const started = start()
    let text: string | null
    try {
      text = await tier.get(redisKey)
    } catch (error) {
      unavailable(key, error, started)
      return undefined
    }
    return valueOf(judge(key, redisKey, text, started))
  }

  async function find(key: string, redisKey: string): Promise<DecodedEntry | MissReason> {
    const started = start()
    let text: string | null
    try {
      text = await tier.get(redisKey)
    } catch (error) {
      return unavailable(key, error, started)
    }
    return judge(key, redisKey, text, started)
  }

  async function getMany(keys: readonly string[]): Promise<unknown[]> {
    const redisKeys = keys.map((key) => keyspace.key(key))
    const started = start()
    let texts: (string | null)[]
    try {
      texts = await tier.getMany(
        redisKeys,
        failures.degrade ? (error) => failures.note('get', error) : undefined,
      )
    } catch (error) {
      failures.absorb('get', error)
      for (const key of keys) missed(key, 'unavailable', started)
      return keys.map(() => undefined)
    }
    return texts.map((text, index) =>
      valueOf(judge(keys[index] as string, redisKeys[index] as string, text, started)),
    )
  }

  async function ttl(key: string): Promise<number | undefined> {
    const redisKey = keyspace.key(key)
    try {
      // What stands there may be no entry, and then has no time to live that means anything.
      const [text, remaining] = await Promise.all([tier.get(redisKey), tier.remaining(redisKey)])
      if (remaining === undefined || typeof readEntry(text, redisKey, clock) === 'string')
        return undefined
      return remaining / 1_000
    } catch (error) {
      failures.absorb('ttl', error)
      return undefined
    }
  }

  return { get, getMany, find, ttl }
}
