import { type DecodedEntry, FORMAT_VERSION } from './entry-format.ts'
import { parsePlain } from './keyv-json.ts'

const NONE: readonly never[] = []

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
function digitsAt(bytes: Buffer, from: number): number {
  let number = 0
  let at = from
  for (; ; at++) {
    const digit = (bytes[at] as number) - 48
    // Behind the last byte it is no number either.
    if (!(digit >= 0 && digit <= 9)) break
    number = number * 10 + digit
  }
  end = at
  return at > from && at <= from + MOST_DIGITS ? number : NaN
}

/** What all plain entries have in common is told by getters: fewer fields to fill for each. */
class PlainEntry implements DecodedEntry {
  readonly value: unknown
  readonly loadedAt: number
  readonly expires: number | undefined
  readonly staleMs: number
  readonly costMs: number | undefined

  constructor(
    value: unknown,
    loadedAt: number,
    expires: number | undefined,
    staleMs: number,
    costMs: number | undefined,
  ) {
    this.value = value
    this.loadedAt = loadedAt
    this.expires = expires
    this.staleMs = staleMs
    this.costMs = costMs
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
  get freshUntil(): number | undefined {
    return this.expires === undefined ? undefined : this.expires - this.staleMs
  }
}

/**
 * Nearly every entry: ours, untagged, its value plain JSON without escapes. Read from the bytes, as
 * a text's characters take several times longer to look at; by the order of its fields, which is part
 * of the format, and told apart by a letter of each. Its hash tells that it is one. Undefined: it
 * takes a closer look.
 *
 * @param hash that of its key
 */
export function plainEntry(bytes: Buffer, hash: number): DecodedEntry | undefined {
  if (bytes[5] !== VERSION || bytes[8] !== AT) return undefined
  const loadedAt = digitsAt(bytes, AT_FROM)
  if (end !== AT_END) return undefined
  let expires: number | undefined
  if (bytes[AT_END + 2] === EXPIRES) {
    expires = digitsAt(bytes, EXPIRES_FROM)
    if (end !== EXPIRES_END) return undefined
  }
  if (bytes[end] !== COMMA || bytes[end + 2] !== HASH) return undefined
  if (digitsAt(bytes, end + ',"h":'.length) !== hash) return undefined
  let staleMs = 0
  if (bytes[end + 2] === STALE) staleMs = digitsAt(bytes, end + ',"stale":'.length)
  let costMs: number | undefined
  if (bytes[end + 2] === COST) costMs = digitsAt(bytes, end + ',"cost":'.length)
  if (Number.isNaN(staleMs) || Number.isNaN(costMs)) return undefined
  if (bytes[end] !== COMMA || bytes[end + 2] !== VALUE) return undefined
  const last = bytes.length - 1
  if (bytes[last] !== BRACE) return undefined
  let value: unknown
  try {
    value = parsePlain(bytes.toString('utf8', end + ',"value":'.length, last))
  } catch {
    return undefined
  }
  return new PlainEntry(value, loadedAt, expires, staleMs, costMs)
}
