import { CorralError, describeValue, type Keyspace } from '@corral/connection'
import type { Failures } from '../engine/failures.ts'
import { ttlMilliseconds, type Ttl } from '../entry/ttl.ts'
import { requireKnownOptions } from '../known-options.ts'
import type { IncrementReply, IncrementRequest } from '../protocol/increment-script.ts'
import { decodeEntry, entryIdentity } from '../protocol/wire-entry.ts'
import type { Stampable, Verdict } from '../stamps/stamp-book.ts'

/** Options of `increment` and `decrement`. */
export interface IncrementOptions {
  /**
   * How long the counter lives, given in the same step to a counter that has no end yet: later calls
   * do not prolong it. `'forever'` by name. @defaultValue the cache's `ttl`
   */
  readonly ttl?: Ttl
}

/**
 * The counters of a cache: whole numbers within 2^53. Calls reject with `REDIS_REPLY` (`OVERFLOW`)
 * where the count would leave that, with `WRONG_TYPE` where no integer stands, and when Redis cannot
 * count, whatever `onError` says.
 */
export interface Counting {
  readonly increment: (key: string, by?: number, options?: IncrementOptions) => Promise<number>
  readonly decrement: (key: string, by?: number, options?: IncrementOptions) => Promise<number>
}

/** What counters stand on. */
export interface CountingDeps {
  readonly keyspace: Keyspace
  readonly tier: {
    increment(redisKey: string, request: IncrementRequest): Promise<IncrementReply>
    remove(redisKey: string, identity: string): Promise<unknown>
  }
  /** Which of the entries that a counter may begin from are dead. */
  readonly stamps: {
    readonly baseKnown: boolean
    /** The latest stamp that every entry of the namespace answers to; 0 if none. */
    readonly base: number
    learnBase(): Promise<void>
    learn(tags: readonly string[]): Promise<void>
    verdict(entry: Stampable): Verdict
  }
  /** How far the clocks of entry and stamp may be apart; 0 on one server. */
  readonly skewUs: number
  /** The cache's ttl. */
  readonly ttlMs: number
  readonly failures: Failures
  /** Told before a key is written, so that no copy or load of it outlives the write. */
  readonly changing: (redisKey: string) => void
}

/** How often a tagged entry may change under our eyes; each try is one command. */
const MOST_TRIES = 10

/**
 * Counters are bare integers in Redis, counted by one script that also gives them their end. Calls are
 * never resent, and reject when Redis cannot count, whatever `onError` says: no number would be right.
 */
export function createCounting(deps: CountingDeps): Counting {
  const { keyspace, tier, stamps, failures, changing } = deps

  async function isAlive(text: string, redisKey: string): Promise<boolean> {
    const entry = decodeEntry(text, redisKey)
    if (entry.kind !== 'entry') return false
    let verdict = stamps.verdict(entry)
    if (verdict === 'unknown') {
      await stamps.learn(entry.tags)
      verdict = stamps.verdict(entry)
    }
    return verdict === 'alive'
  }

  async function add(redisKey: string, by: number, ttlMs: number): Promise<number> {
    if (!stamps.baseKnown) await stamps.learnBase()
    // Whether it is a cluster may be known only once it is connected.
    const { skewUs } = deps
    const request = { by, ttlMs, renew: 'create', stamp: stamps.base, skewUs } as const
    let reply = await tier.increment(redisKey, request)
    for (let tries = 1; reply.status === 'tagged'; tries++) {
      if (tries === MOST_TRIES) {
        throw new CorralError(
          'REDIS_UNAVAILABLE',
          'increment: the entry at the key keeps changing',
          {
            reason: 'overloaded',
          },
        )
      }
      const identity = entryIdentity(reply.text)
      const alive = await isAlive(reply.text, redisKey)
      if (!alive) await tier.remove(redisKey, identity)
      reply = await tier.increment(redisKey, alive ? { ...request, alive: identity } : request)
    }
    return reply.value
  }

  async function count(
    key: string,
    by: number,
    options: IncrementOptions | undefined,
  ): Promise<number> {
    const redisKey = keyspace.key(key)
    requireKnownOptions(options, 'increment', ['ttl'])
    const ttlMs = options?.ttl === undefined ? deps.ttlMs : ttlMilliseconds(options.ttl)
    changing(redisKey)
    try {
      return await add(redisKey, by, ttlMs)
    } catch (error) {
      failures.note('set', error)
      throw error
    }
  }

  return {
    increment: async (key, by = 1, options) => count(key, checkStep(by), options),
    // 0 - by, as -by would make -0 of 0, which Redis does not read.
    decrement: async (key, by = 1, options) => count(key, 0 - checkStep(by), options),
  }
}

function checkStep(by: unknown): number {
  if (typeof by !== 'number') {
    throw new TypeError(`by: must be a whole number, received ${describeValue(by)}`)
  }
  if (!Number.isSafeInteger(by)) {
    throw new RangeError(
      `by: must be a whole number within 2^53 of 0, received ${describeValue(by)}`,
    )
  }
  return by + 0
}
