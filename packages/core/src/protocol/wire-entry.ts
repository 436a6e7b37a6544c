import { createHash } from 'node:crypto'
import { keyHash } from './key-hash.ts'
import { parseJson, stringifyValue } from './keyv-json.ts'

/**
 * The frozen wire format, version 1 (docs/decisions/0001-write-lease-and-stamp-protocol.md):
 *
 *   {"c":1,"at":<µs>[,"expires":<ms>][,"seen":[<µs>,…]],"h":<hash>[,"stale":<ms>][,"cost":<ms>]
 *    [,"tags":["…"]],"value":<json>}                       an entry
 *   {"lease":"<token>","at":<µs>}                          a lease, standing where the entry will be
 *   -?[0-9]+                                               a counter
 *   {"value":<json>[,"expires":<ms>]}                      what Keyv writes; read as an entry
 *
 * Scripts read and write the head (up to and including `expires`) by position, so its order is part
 * of the format, and every later version begins with `{"c":<version>,"at":<µs>`.
 */
export const FORMAT_VERSION = 1

/** What a writer says about a value; times are left to the script, which has the server's clock. */
export interface EntryDraft {
  /** The whole Redis key; only its hash is stored. */
  readonly redisKey: string
  /** The value; undefined, functions and symbols cannot be stored. */
  readonly value: unknown
  /** Names whose stamps kill this entry. */
  readonly tags?: readonly string[]
  /** How many milliseconds at the end of its life the entry is stale but present. Default 0. */
  readonly staleMs?: number
  /** How long the load took, in milliseconds. */
  readonly costMs?: number
  /**
   * Stamps that the writer knew before it loaded or set the value, and which therefore do not kill it:
   * the namespace's first, then one per tag, 0 where none is known. Leave it out when all are old.
   */
  readonly seen?: readonly number[]
  /** A codec's name and its output, for values that are not JSON; Keyv readers then see a miss. */
  readonly encoded?: { readonly codec: string; readonly data: string }
}

/**
 * The part of an entry behind its times; the write script puts `{"c":1,"at":…,"expires":…` before it.
 * Undefined if the value cannot be stored. Throws as JSON.stringify does.
 */
export function encodeEntry(draft: EntryDraft): string | undefined {
  let body: string
  if (draft.encoded) {
    body = `,"codec":${stringifyValue(draft.encoded.codec)},"data":${stringifyValue(draft.encoded.data)}}`
  } else {
    const json = stringifyValue(draft.value)
    if (json === undefined) return undefined
    body = `,"value":${json}}`
  }
  let tail = draft.seen?.some((stamp) => stamp > 0) ? `,"seen":[${draft.seen.join(',')}]` : ''
  tail += `,"h":${keyHash(draft.redisKey)}`
  if (draft.staleMs) tail += `,"stale":${Math.ceil(draft.staleMs)}`
  if (draft.costMs) tail += `,"cost":${Math.ceil(draft.costMs)}`
  // As Keyv escapes: the decoder undoes it everywhere, and a tag that came back changed would never be invalidated.
  if (draft.tags && draft.tags.length > 0) tail += `,"tags":${stringifyValue(draft.tags)}`
  return tail + body
}

/** The whole entry as the write script composes it. */
export function composeEntry(tail: string, at: number, expires: number | undefined): string {
  return `{"c":${FORMAT_VERSION},"at":${at}${expires === undefined ? '' : `,"expires":${expires}`}${tail}`
}

/** The lease as the lease script writes it. */
export function leaseText(token: string, at: number): string {
  return `{"lease":"${token}","at":${at}}`
}

/** To be copied by {@link withValue} alone: an object made by spreading may lack all but the value. */
export interface DecodedEntry {
  readonly kind: 'entry'
  readonly value: unknown
  /** Server time in microseconds at which the load (or the set) began; undefined for foreign entries. */
  readonly loadedAt: number | undefined
  /** End of its life, epoch milliseconds; undefined = none. */
  readonly expires: number | undefined
  /** Fresh before this, stale from here to `expires`; epoch milliseconds. */
  readonly freshUntil: number | undefined
  /** How much of its life is at the end of it and stale; 0: none. */
  readonly staleMs: number
  /** Not written by Corral: there is no `loadedAt`, and nobody but itself says when it ends. */
  readonly foreign: boolean
  readonly costMs: number | undefined
  readonly tags: readonly string[]
  readonly seen: readonly number[]
  /** Set when `value` is undefined because a codec has to decode `data`. */
  readonly encoded: { readonly codec: string; readonly data: string } | undefined
}

export type Decoded =
  | DecodedEntry
  | { readonly kind: 'lease'; readonly token: string; readonly at: number }
  /** Written by a later Corral: a miss that nobody may fill or remove. */
  | { readonly kind: 'newer'; readonly version: number }
  /** Another key's entry: the connection's replies are shifted. A miss; do not touch the key. */
  | { readonly kind: 'mismatch' }
  /** Not an entry: a miss, to be removed by compare-and-delete. */
  | { readonly kind: 'garbage' }

const GARBAGE: Decoded = { kind: 'garbage' }
const MISMATCH: Decoded = { kind: 'mismatch' }
const NONE: readonly never[] = []
const COUNTER = /^-?\d{1,19}$/
const LEASE = /^\{"lease":"([^"\\]*)","at":(\d+)\}$/

const [BRACE, COMMA] = [125, 44]
/** The second letter of an entry's field tells which it is, where it may stand. */
const [AT, EXPIRES, HASH, STALE, COST, VALUE] = [97, 101, 104, 115, 99, 118]
const OPENING = `{"c":${FORMAT_VERSION}`
const VERSION = OPENING.charCodeAt(5)
/** Where the times stand while they have 16 and 13 digits, which is until the year 2286. */
const AT_FROM = OPENING.length + ',"at":'.length
const AT_END = AT_FROM + 16
const EXPIRES_FROM = AT_END + ',"expires":'.length
const EXPIRES_END = EXPIRES_FROM + 13
const MOST_DIGITS = 16

/** Behind the number that {@link digitsAt} read last. */
let end = 0

/** The whole number at `from`; NaN if there is none, or one too long. */
function digitsAt(text: string, from: number): number {
  let number = 0
  let at = from
  for (; ; at++) {
    const digit = text.charCodeAt(at) - 48
    // Behind the end of the text it is no number either.
    if (!(digit >= 0 && digit <= 9)) break
    number = number * 10 + digit
  }
  end = at
  return at > from && at <= from + MOST_DIGITS ? number : NaN
}

/**
 * An entry whose times are read when somebody asks for them: few readers do.
 */
class PlainEntry implements DecodedEntry {
  readonly value: unknown
  readonly staleMs: number
  readonly costMs: number | undefined
  readonly #text: string
  readonly #ends: boolean

  constructor(
    text: string,
    ends: boolean,
    value: unknown,
    staleMs: number,
    costMs: number | undefined,
  ) {
    this.value = value
    this.staleMs = staleMs
    this.costMs = costMs
    this.#text = text
    this.#ends = ends
  }

  get kind(): 'entry' {
    return 'entry'
  }
  get foreign(): boolean {
    return false
  }
  get tags(): readonly string[] {
    return NONE
  }
  get seen(): readonly number[] {
    return NONE
  }
  get encoded(): undefined {
    return undefined
  }
  get loadedAt(): number {
    // What is no number is older than every stamp.
    return digitsAt(this.#text, AT_FROM) || 0
  }
  get expires(): number | undefined {
    return this.#ends ? digitsAt(this.#text, EXPIRES_FROM) : undefined
  }
  get freshUntil(): number | undefined {
    return this.#ends ? digitsAt(this.#text, EXPIRES_FROM) - this.staleMs : undefined
  }
}

/**
 * Nearly every entry: ours, untagged, its value plain JSON to the last brace. Read by the order of
 * its fields, which is part of the format, and told apart by a letter of each; its hash tells that it
 * is one. That takes a good third less than parsing the whole. Undefined: it takes a closer look.
 */
function plainEntry(text: string, redisKey: string): DecodedEntry | undefined {
  if (text.charCodeAt(5) !== VERSION || text.charCodeAt(8) !== AT) return undefined
  const ends = text.charCodeAt(AT_END + 2) === EXPIRES
  const hash = ends ? EXPIRES_END : AT_END
  if (text.charCodeAt(hash) !== COMMA || text.charCodeAt(hash + 2) !== HASH) return undefined
  if (digitsAt(text, hash + ',"h":'.length) !== keyHash(redisKey)) return undefined
  let stale = 0
  if (text.charCodeAt(end + 2) === STALE) stale = digitsAt(text, end + ',"stale":'.length)
  let costMs: number | undefined
  if (text.charCodeAt(end + 2) === COST) costMs = digitsAt(text, end + ',"cost":'.length)
  if (text.charCodeAt(end) !== COMMA || text.charCodeAt(end + 2) !== VALUE) return undefined
  if (text.charCodeAt(text.length - 1) !== BRACE) return undefined
  let value: unknown
  try {
    value = parseJson(text.slice(end + ',"value":'.length, -1))
  } catch {
    return undefined
  }
  return new PlainEntry(text, ends, value, stale, costMs)
}

/** The same entry with another value. */
export function withValue(entry: DecodedEntry, value: unknown): DecodedEntry {
  const { loadedAt, expires, freshUntil, staleMs, foreign, costMs, tags, seen, encoded } = entry
  return {
    kind: 'entry',
    value,
    loadedAt,
    expires,
    freshUntil,
    staleMs,
    foreign,
    costMs,
    tags,
    seen,
    encoded,
  }
}

/** Reads whatever stands at a key. Never throws. */
export function decodeEntry(text: string, redisKey: string): Decoded {
  const plain = plainEntry(text, redisKey)
  if (plain !== undefined) return plain
  if (text.charCodeAt(0) !== 123 /* { */) {
    return COUNTER.test(text) ? foreign(Number(text), undefined) : GARBAGE
  }
  const lease = text.startsWith('{"lease":') ? LEASE.exec(text) : null
  if (lease) return { kind: 'lease', token: lease[1] as string, at: Number(lease[2]) }
  let parsed: Record<string, unknown>
  try {
    parsed = parseJson(text) as Record<string, unknown>
  } catch {
    return versionAhead(text) ?? GARBAGE
  }
  const version = parsed['c']
  if (version === undefined) {
    return 'value' in parsed && parsed['value'] !== undefined
      ? foreign(parsed['value'], finite(parsed['expires']))
      : GARBAGE
  }
  if (typeof version !== 'number') return GARBAGE
  if (version > FORMAT_VERSION) return { kind: 'newer', version }
  return ownEntry(parsed, redisKey)
}

function ownEntry(parsed: Record<string, unknown>, redisKey: string): Decoded {
  const loadedAt = finite(parsed['at'])
  if (loadedAt === undefined) return GARBAGE
  if (parsed['h'] !== keyHash(redisKey)) return MISMATCH
  const expires = finite(parsed['expires'])
  const codec = parsed['codec']
  const data = parsed['data']
  const encoded =
    typeof codec === 'string' && typeof data === 'string' ? { codec, data } : undefined
  if (!encoded && !('value' in parsed)) return GARBAGE
  return {
    kind: 'entry',
    value: parsed['value'],
    loadedAt,
    expires,
    freshUntil: expires === undefined ? undefined : expires - (finite(parsed['stale']) ?? 0),
    staleMs: finite(parsed['stale']) ?? 0,
    foreign: false,
    costMs: finite(parsed['cost']),
    tags: Array.isArray(parsed['tags'])
      ? parsed['tags'].filter((tag) => typeof tag === 'string')
      : NONE,
    seen: Array.isArray(parsed['seen']) ? parsed['seen'].map((stamp) => finite(stamp) ?? 0) : NONE,
    encoded,
  }
}

function foreign(value: unknown, expires: number | undefined): DecodedEntry {
  return {
    kind: 'entry',
    value,
    loadedAt: undefined,
    expires,
    freshUntil: expires,
    staleMs: 0,
    foreign: true,
    costMs: undefined,
    tags: NONE,
    seen: NONE,
    encoded: undefined,
  }
}

/** A later version need not be JSON behind its head, and is still not garbage. */
function versionAhead(text: string): Decoded | undefined {
  const version = Number(/^\{"c":(\d{1,9}),"at":\d+/.exec(text)?.[1])
  return version > FORMAT_VERSION ? { kind: 'newer', version } : undefined
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

const HEAD = /^\{"c":\d+,"at":\d+(?:,"expires":\d+)?,/

/**
 * What tells scripts "this very entry, which I have read": its head for entries of ours (`at` is unique
 * per write), the SHA-1 of the whole for everything else.
 */
export function entryIdentity(text: string): string {
  return HEAD.exec(text)?.[0] ?? createHash('sha1').update(text).digest('hex')
}

/** Whether `text` is what `identity` was made of; as LUA_HOLDS has it. */
export function isIdentity(text: string, identity: string): boolean {
  return identity.startsWith('{')
    ? text.startsWith(identity)
    : createHash('sha1').update(text).digest('hex') === identity
}
