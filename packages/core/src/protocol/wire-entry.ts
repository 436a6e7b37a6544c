import { createHash } from 'node:crypto'
import { type Decoded, type DecodedEntry, FORMAT_VERSION, type Stored } from './entry-format.ts'
import { keyHash } from './key-hash.ts'
import { parseJson, stringifyValue, toJson } from './keyv-json.ts'
import { plainEntry } from './plain-entry.ts'

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
    const json = toJson(draft.value)
    if (json === undefined) return undefined
    body = json.escaped ? `,"esc":1,"value":${json.text}}` : `,"value":${json.text}}`
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

const GARBAGE: Decoded = { kind: 'garbage' }
const MISMATCH: Decoded = { kind: 'mismatch' }
const NONE: readonly never[] = []
const COUNTER = /^-?\d{1,19}$/
const LEASE = /^\{"lease":"([^"\\]*)","at":(\d+)\}$/

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

/**
 * Reads whatever stands at a key. Never throws.
 *
 * @param hash that of the key, where it is known already
 */
export function decodeEntry(stored: Stored, redisKey: string, hash?: number): Decoded {
  if (typeof stored === 'string') return decodeText(stored, redisKey)
  return plainEntry(stored, hash ?? keyHash(redisKey)) ?? decodeText(stored.toString(), redisKey)
}

function decodeText(text: string, redisKey: string): Decoded {
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
const LONGEST_HEAD = 80

/**
 * What tells scripts "this very entry, which I have read": its head for entries of ours (`at` is unique
 * per write), the SHA-1 of the whole for everything else.
 */
export function entryIdentity(stored: Stored): string {
  const start = typeof stored === 'string' ? stored : stored.toString('latin1', 0, LONGEST_HEAD)
  return HEAD.exec(start)?.[0] ?? createHash('sha1').update(stored).digest('hex')
}

/** Whether `text` is what `identity` was made of; as LUA_HOLDS has it. */
export function isIdentity(text: string, identity: string): boolean {
  return identity.startsWith('{')
    ? text.startsWith(identity)
    : createHash('sha1').update(text).digest('hex') === identity
}
