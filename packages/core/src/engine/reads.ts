import type { Asker, CorralError } from '@corral/connection'
import { isFresh, lifeMs, readEntry, type MissReason } from '../entry/read-entry.ts'
import type { NearEntry, Ticket } from '../near/near-tier.ts'
import type { DecodedEntry, Stored } from '../protocol/entry-format.ts'
import { keyHashIn } from '../protocol/key-hash.ts'
import { entryIdentity, withValue } from '../protocol/wire-entry.ts'
import { requireArray } from '../require-array.ts'
import type { StandardSchema } from '../schema/standard-schema.ts'
import type { OnPartialFailure } from '../tiers/tier.ts'
import { checked, type Found, isPromise, journalled, notFound, unavailable } from './found.ts'
import type { Parts } from './parts.ts'

/** Told for which keys Redis could not answer. */
type OnUnavailable = (keys: readonly string[]) => void

/** The reading half of a cache. */
export interface Reads {
  readonly get: (key: string) => Promise<unknown>
  readonly getMany: (keys: readonly string[], onUnavailable?: OnUnavailable) => Promise<unknown[]>
  /** From this process's copies alone. */
  readonly peek: (key: string) => unknown
  readonly find: (
    key: string,
    redisKey: string,
    schema: StandardSchema | undefined,
  ) => Promise<Found>
  /** Judges what a script found at a key. */
  readonly judge: (
    redisKey: string,
    stored: Stored | null,
    schema: StandardSchema | undefined,
  ) => Found | Promise<Found>
  /** Seconds left; `Infinity` without an end, `undefined` when absent. */
  readonly ttl: (key: string) => Promise<number | undefined>
}

export function createReads(parts: Parts): Reads {
  const { keyspace, tier, codec, stamps, near, journal, tally, failures, inBackground } = parts
  const { now } = tier
  const hashOf = keyHashIn(keyspace)

  /** The namespace's stamps come along in the same tick while they are not known. */
  async function fetchWithBase(redisKey: string): Promise<Stored | null> {
    const [stored] = await Promise.all([tier.get(redisKey), stamps.learnBase()])
    return stored
  }

  /** Garbage is taken away, if it is still what was read. */
  function missed(redisKey: string, stored: Stored | null, reason: MissReason): MissReason {
    if (reason === 'garbage' && stored !== null) {
      const removed = tier.remove(redisKey, entryIdentity(stored))
      inBackground(removed.catch((error: unknown) => failures.note('delete', error)))
    }
    return reason
  }

  /** The copy that others may use as well is frozen; this caller gets the same. */
  function keep(ticket: Ticket | undefined, entry: DecodedEntry): DecodedEntry {
    if (near === undefined || ticket === undefined || isCounter(entry)) return entry
    const kept = near.keep(ticket, entry)
    const value = near.valueOf(kept)
    return value === entry.value ? entry : withValue(entry, value)
  }

  /** While invalidations wait to be acknowledged, only the slower ways look at each key. */
  function nearFresh(key: string): NearEntry | undefined {
    return near !== undefined && journal.idle ? near.fresh(key) : undefined
  }

  function peek(key: string): unknown {
    const started = tally.startNear()
    const entry = nearFresh(key)
    if (entry === undefined) return undefined
    const value = near?.valueOf(entry)
    tally.nearHit(key, false, started)
    return value
  }

  function get(key: string): Promise<unknown> {
    const begun = tally.startNear()
    const entry = nearFresh(key)
    if (near !== undefined && entry !== undefined) {
      const value = near.promiseOf(entry)
      tally.nearHit(key, false, begun)
      return value
    }
    try {
      return getRemote(key, keyspace.key(key))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The path that everybody takes: one promise, resolved by the reply itself. */
  function getRemote(key: string, redisKey: string): Promise<unknown> {
    if (tier.ask === undefined || !stamps.baseKnown || !journal.idle) {
      return getSlowly(key, redisKey)
    }
    const { ask } = tier
    return new Promise((resolve, reject) => {
      ask(redisKey, new Getting(key, redisKey, resolve, reject))
    })
  }

  /** A `get` that waits for Redis: fields of one object instead of call-backs made for each. */
  class Getting implements Asker {
    readonly key: string
    readonly redisKey: string
    readonly started = tally.start()
    readonly ticket: Ticket | undefined
    readonly resolve: (value: unknown) => void
    readonly reject: (error: unknown) => void

    constructor(
      key: string,
      redisKey: string,
      resolve: (value: unknown) => void,
      reject: (error: unknown) => void,
    ) {
      this.key = key
      this.redisKey = redisKey
      this.ticket = near?.ticket(redisKey, key)
      this.resolve = resolve
      this.reject = reject
    }

    onBytes(bytes: Buffer | null): void {
      const { key, redisKey, started } = this
      try {
        const judged = judge(redisKey, bytes, undefined, this.ticket, hashOf(key, redisKey))
        this.resolve(
          isPromise(judged)
            ? judged.then(
                (found) => told(key, found, started),
                (error: unknown) => unanswered(key, error, started),
              )
            : told(key, judged, started),
        )
      } catch (error) {
        this.reject(error)
      }
    }

    onError(error: CorralError): void {
      try {
        this.resolve(unanswered(this.key, error, this.started))
      } catch (thrown) {
        this.reject(thrown)
      }
    }
  }

  function unanswered(key: string, error: unknown, started: number): unknown {
    failures.absorb('get', error)
    return told(key, unavailable, started)
  }

  async function getSlowly(key: string, redisKey: string): Promise<unknown> {
    const started = tally.start()
    const found = await find(key, redisKey, undefined)
    return told(key, found, started)
  }

  /** What a caller gets who takes nothing stale. */
  function told(key: string, found: Found, started: number): unknown {
    const { entry, fresh, missed: reason, stored } = found
    if (entry === undefined || !fresh) {
      tally.miss(key, entry === undefined ? reason : 'expired', started)
      return undefined
    }
    tally.hit(key, false, started, stored?.length ?? 0)
    return entry.value
  }

  /** Nearly always at once: stamps are known and schemas are rare. */
  function judge(
    redisKey: string,
    stored: Stored | null,
    schema: StandardSchema | undefined,
    ticket?: Ticket,
    hash?: number,
  ): Found | Promise<Found> {
    const entry = readEntry(stored, redisKey, now, codec, hash)
    if (typeof entry === 'string') return notFound(missed(redisKey, stored, entry), stored)
    // Whoever stamps its tags here may never have written one that lives so long.
    if (entry.tags.length > 0) stamps.noteTtl(lifeMs(entry))
    const verdict = stamps.verdict(entry)
    if (verdict === 'unknown' || schema !== undefined) {
      return judgeSlowly(redisKey, entry, stored, schema, ticket)
    }
    if (verdict === 'dead') return notFound('invalidated', stored)
    const fresh = isFresh(entry, redisKey, now)
    return { entry: keep(ticket, entry), fresh, missed: 'absent', stored }
  }

  async function judgeSlowly(
    redisKey: string,
    entry: DecodedEntry,
    stored: Stored | null,
    schema: StandardSchema | undefined,
    ticket: Ticket | undefined,
  ): Promise<Found> {
    if (stamps.verdict(entry) === 'unknown') await stamps.learn(entry.tags)
    if (stamps.verdict(entry) !== 'alive') return notFound('invalidated', stored)
    const fresh = isFresh(entry, redisKey, now)
    return checked(keep(ticket, entry), fresh, stored, schema)
  }

  async function find(
    key: string,
    redisKey: string,
    schema: StandardSchema | undefined,
  ): Promise<Found> {
    if (journal.bypasses(redisKey, key)) return journalled
    const ticket = near?.ticket(redisKey, key)
    try {
      const stored = stamps.baseKnown ? await tier.get(redisKey) : await fetchWithBase(redisKey)
      const judged = judge(redisKey, stored, schema, ticket, hashOf(key, redisKey))
      return isPromise(judged) ? await judged : judged
    } catch (error) {
      failures.absorb('get', error)
      return unavailable
    }
  }

  async function getMany(
    keys: readonly string[],
    onUnavailable?: OnUnavailable,
  ): Promise<unknown[]> {
    requireArray(keys, 'keys')
    const redisKeys = keys.map((key) => keyspace.key(key))
    const values = new Array<unknown>(keys.length).fill(undefined)
    const places: number[] = []
    redisKeys.forEach((redisKey, place) => {
      const key = keys[place] as string
      const bypassed = journal.bypasses(redisKey, key)
      const started = tally.startNear()
      const entry = bypassed ? undefined : near?.fresh(key)
      if (bypassed) tally.miss(key, 'journalled', tally.start())
      else if (entry === undefined) places.push(place)
      else {
        values[place] = near?.valueOf(entry)
        tally.nearHit(key, false, started)
      }
    })
    if (places.length > 0) await getRest(keys, redisKeys, places, values, onUnavailable)
    return values
  }

  async function getRest(
    keys: readonly string[],
    redisKeys: readonly string[],
    places: readonly number[],
    values: unknown[],
    onUnavailable: OnUnavailable | undefined,
  ): Promise<void> {
    const started = tally.start()
    const wanted = places.map((place) => redisKeys[place] as string)
    const tickets =
      near && places.map((place) => near.ticket(redisKeys[place] as string, keys[place] as string))
    let found: readonly Found[]
    let unanswered: Set<string> | undefined
    try {
      const onPart: OnPartialFailure | undefined = failures.degrade
        ? (error, which = []) => {
            failures.note('get', error)
            unanswered ??= new Set()
            for (const redisKey of which) unanswered.add(redisKey)
          }
        : undefined
      const [answers] = await Promise.all([tier.getMany(wanted, onPart), stamps.learnBase()])
      const judged = answers.map((stored, index) => {
        const redisKey = wanted[index] as string
        const hash = hashOf(keys[places[index] as number] as string, redisKey)
        return judge(redisKey, stored, undefined, tickets?.[index], hash)
      })
      // What stamps of tags are missing was asked for in this one tick, and so in one MGET.
      found = judged.some(isPromise)
        ? await Promise.all(judged.map(async (one) => one))
        : (judged as Found[])
    } catch (error) {
      failures.absorb('get', error)
      found = wanted.map(() => unavailable)
    }
    const failed: string[] = []
    found.forEach((one, index) => {
      const place = places[index] as number
      const key = keys[place] as string
      const judged = unanswered?.has(wanted[index] as string) ? unavailable : one
      if (judged === unavailable) failed.push(key)
      values[place] = told(key, judged, started)
    })
    if (failed.length > 0) onUnavailable?.(failed)
  }

  async function ttl(key: string): Promise<number | undefined> {
    const redisKey = keyspace.key(key)
    if (journal.bypasses(redisKey, key)) return undefined
    try {
      // What stands there may be no entry, and then has no time to live that means anything.
      const [stored, remaining] = await Promise.all([
        fetchWithBase(redisKey),
        tier.remaining(redisKey),
      ])
      const { entry } = await judge(redisKey, stored, undefined)
      if (remaining === undefined || entry === undefined) return undefined
      const { expires, freshUntil } = entry
      const stale = expires === undefined || freshUntil === undefined ? 0 : expires - freshUntil
      const left = remaining - stale
      return left > 0 ? left / 1_000 : undefined
    } catch (error) {
      failures.absorb('ttl', error)
      return undefined
    }
  }

  return { get, getMany, peek, find, judge, ttl }
}

/** Its text does not say when it ends, so that no copy could end with it. */
function isCounter({ value, loadedAt, expires }: DecodedEntry): boolean {
  return typeof value === 'number' && loadedAt === undefined && expires === undefined
}
