import { isFresh, readEntry, type MissReason } from '../entry/read-entry.ts'
import type { NearEntry, Ticket } from '../near/near-tier.ts'
import { entryIdentity, type DecodedEntry } from '../protocol/wire-entry.ts'
import { checkSchema, type StandardSchema } from '../schema/standard-schema.ts'
import type { Parts } from './parts.ts'

/** What a key holds, for a call that goes on from there. */
export interface Found {
  /** What may be served as far as invalidations go, fresh or not. */
  readonly entry: DecodedEntry | undefined
  readonly fresh: boolean
  /** Why there is no entry. */
  readonly missed: MissReason
  readonly text: string | null
}

/** The reading half of a cache. */
export interface Reads {
  readonly get: (key: string) => Promise<unknown>
  readonly getMany: (keys: readonly string[]) => Promise<unknown[]>
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
    text: string | null,
    schema: StandardSchema | undefined,
  ) => Promise<Found>
  /** Seconds left; `Infinity` without an end, `undefined` when absent. */
  readonly ttl: (key: string) => Promise<number | undefined>
}

export function createReads(parts: Parts): Reads {
  const { keyspace, tier, codec, stamps, near, journal, tally, failures, inBackground } = parts
  const { now } = tier

  /** The namespace's stamps come along in the same tick while they are not known. */
  async function fetchWithBase(redisKey: string): Promise<string | null> {
    const [text] = await Promise.all([tier.get(redisKey), stamps.learnBase()])
    return text
  }

  function fetchText(redisKey: string): Promise<string | null> {
    return stamps.baseKnown ? tier.get(redisKey) : fetchWithBase(redisKey)
  }

  /** Garbage is taken away, if it is still what was read. */
  function missed(redisKey: string, text: string | null, reason: MissReason): MissReason {
    if (reason === 'garbage' && text !== null) {
      const removed = tier.remove(redisKey, entryIdentity(text))
      inBackground(removed.catch((error: unknown) => failures.note('delete', error)))
    }
    return reason
  }

  /** The copy that others may use as well is frozen; this caller gets the same. */
  function keep(ticket: Ticket | undefined, entry: DecodedEntry): DecodedEntry {
    if (near === undefined || ticket === undefined) return entry
    const kept = near.keep(ticket, entry)
    const value = near.valueOf(kept)
    return value === entry.value ? entry : { ...entry, value }
  }

  function nearFresh(redisKey: string): NearEntry | undefined {
    const entry = near?.peek(redisKey)
    return entry !== undefined && near?.isFresh(entry) === true ? entry : undefined
  }

  function peek(key: string): unknown {
    const entry = nearFresh(keyspace.key(key))
    if (entry === undefined) return undefined
    tally.nearHit(key, false)
    return near?.valueOf(entry)
  }

  function get(key: string): Promise<unknown> {
    let redisKey: string
    try {
      redisKey = keyspace.key(key)
    } catch (error) {
      return Promise.reject(error)
    }
    const entry = near === undefined ? undefined : nearFresh(redisKey)
    if (entry === undefined || journal.bypasses(redisKey, key)) return getRemote(key, redisKey)
    tally.nearHit(key, false)
    return Promise.resolve(near?.valueOf(entry))
  }

  // `get` repeats the lines of `find`: one promise on the path that everybody takes.
  function getRemote(key: string, redisKey: string): Promise<unknown> {
    const started = tally.start()
    if (journal.bypasses(redisKey, key)) {
      tally.miss(key, 'journalled', started)
      return Promise.resolve(undefined)
    }
    const ticket = near?.ticket(redisKey)
    const { ask } = tier
    if (ask === undefined || !stamps.baseKnown) {
      const text = fetchText(redisKey)
      return text.then(
        (found) => served(key, redisKey, found, ticket, started),
        (error) => refused(key, error, started),
      )
    }
    return new Promise((resolve, reject) => {
      const onText = (text: string | null): void => {
        try {
          resolve(served(key, redisKey, text, ticket, started))
        } catch (error) {
          reject(error)
        }
      }
      const onError = (error: unknown): void => {
        try {
          resolve(refused(key, error, started))
        } catch (own) {
          reject(own)
        }
      }
      ask(redisKey, onText, onError)
    })
  }

  function refused(key: string, error: unknown, started: number): undefined {
    failures.absorb('get', error)
    tally.miss(key, 'unavailable', started)
  }

  /** The value in a reply; a promise of it where a tag's stamp must be asked for first. */
  function served(
    key: string,
    redisKey: string,
    text: string | null,
    ticket: Ticket | undefined,
    started: number,
  ): unknown {
    const entry = readEntry(text, redisKey, now, codec)
    if (typeof entry === 'string') {
      return told(key, redisKey, missed(redisKey, text, entry), ticket, started)
    }
    const verdict = stamps.verdict(entry)
    if (verdict === 'unknown') {
      return stamps.learn(entry.tags).then(
        () => told(key, redisKey, judged(entry), ticket, started),
        (error) => refused(key, error, started),
      )
    }
    return told(key, redisKey, verdict === 'alive' ? entry : 'invalidated', ticket, started)
  }

  function judged(entry: DecodedEntry): DecodedEntry | MissReason {
    return stamps.verdict(entry) === 'alive' ? entry : 'invalidated'
  }

  function told(
    key: string,
    redisKey: string,
    entry: DecodedEntry | MissReason,
    ticket: Ticket | undefined,
    started: number,
  ): unknown {
    if (typeof entry === 'string') {
      tally.miss(key, entry, started)
      return undefined
    }
    const kept = keep(ticket, entry)
    if (!isFresh(entry, redisKey, now)) {
      tally.miss(key, 'expired', started)
      return undefined
    }
    tally.hit(key, false, started)
    return kept.value
  }

  async function judge(
    redisKey: string,
    text: string | null,
    schema: StandardSchema | undefined,
    ticket?: Ticket,
  ): Promise<Found> {
    const entry = readEntry(text, redisKey, now, codec)
    if (typeof entry === 'string') return notFound(missed(redisKey, text, entry), text)
    let verdict = stamps.verdict(entry)
    if (verdict === 'unknown') {
      await stamps.learn(entry.tags)
      verdict = stamps.verdict(entry)
    }
    if (verdict !== 'alive') return notFound('invalidated', text)
    return checked(keep(ticket, entry), isFresh(entry, redisKey, now), text, schema)
  }

  async function find(
    key: string,
    redisKey: string,
    schema: StandardSchema | undefined,
  ): Promise<Found> {
    if (journal.bypasses(redisKey, key)) return notFound('journalled', null)
    const ticket = near?.ticket(redisKey)
    try {
      return await judge(redisKey, await fetchText(redisKey), schema, ticket)
    } catch (error) {
      failures.absorb('get', error)
      return notFound('unavailable', null)
    }
  }

  async function getMany(keys: readonly string[]): Promise<unknown[]> {
    const redisKeys = keys.map((key) => keyspace.key(key))
    const values = new Array<unknown>(keys.length).fill(undefined)
    const places: number[] = []
    redisKeys.forEach((redisKey, place) => {
      const key = keys[place] as string
      const bypassed = journal.bypasses(redisKey, key)
      const entry = bypassed ? undefined : nearFresh(redisKey)
      if (bypassed) tally.miss(key, 'journalled', tally.start())
      else if (entry === undefined) places.push(place)
      else {
        tally.nearHit(key, false)
        values[place] = near?.valueOf(entry)
      }
    })
    if (places.length > 0) await getRest(keys, redisKeys, places, values)
    return values
  }

  async function getRest(
    keys: readonly string[],
    redisKeys: readonly string[],
    places: readonly number[],
    values: unknown[],
  ): Promise<void> {
    const started = tally.start()
    const wanted = places.map((place) => redisKeys[place] as string)
    const tickets = near && wanted.map((redisKey) => near.ticket(redisKey))
    let entries: (DecodedEntry | MissReason)[]
    try {
      const onPart = failures.degrade
        ? (error: unknown): void => failures.note('get', error)
        : undefined
      const [texts] = await Promise.all([tier.getMany(wanted, onPart), stamps.learnBase()])
      entries = texts.map((text, index) => {
        const redisKey = wanted[index] as string
        const entry = readEntry(text, redisKey, now, codec)
        if (typeof entry === 'string') missed(redisKey, text, entry)
        return entry
      })
      await learnTags(entries)
      entries = entries.map((entry) =>
        typeof entry === 'string' || stamps.verdict(entry) === 'alive' ? entry : 'invalidated',
      )
    } catch (error) {
      failures.absorb('get', error)
      entries = wanted.map(() => 'unavailable')
    }
    entries.forEach((entry, index) => {
      const place = places[index] as number
      const key = keys[place] as string
      values[place] = told(key, wanted[index] as string, entry, tickets?.[index], started)
    })
  }

  /** The tags of entries that cannot be judged yet, all in one MGET. */
  async function learnTags(entries: readonly (DecodedEntry | MissReason)[]): Promise<void> {
    const tags = new Set<string>()
    let unknown = false
    for (const entry of entries) {
      if (typeof entry === 'string' || stamps.verdict(entry) !== 'unknown') continue
      unknown = true
      for (const tag of entry.tags) tags.add(tag)
    }
    if (unknown) await stamps.learn([...tags])
  }

  async function ttl(key: string): Promise<number | undefined> {
    const redisKey = keyspace.key(key)
    if (journal.bypasses(redisKey, key)) return undefined
    try {
      // What stands there may be no entry, and then has no time to live that means anything.
      const [text, remaining] = await Promise.all([fetchText(redisKey), tier.remaining(redisKey)])
      const { entry } = await judge(redisKey, text, undefined)
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

function notFound(missed: MissReason, text: string | null): Found {
  return { entry: undefined, fresh: false, missed, text }
}

/** What the schema makes of a stored value is what the caller gets; what it refuses is loaded anew. */
async function checked(
  entry: DecodedEntry,
  fresh: boolean,
  text: string | null,
  schema: StandardSchema | undefined,
): Promise<Found> {
  if (schema === undefined) return { entry, fresh, missed: 'absent', text }
  const result = await checkSchema(schema, entry.value)
  if (result.issues !== undefined) return notFound('schema', text)
  return { entry: { ...entry, value: result.value }, fresh, missed: 'absent', text }
}
