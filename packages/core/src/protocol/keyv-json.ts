import { isStringObject } from 'node:util/types'

/**
 * JSON as Keyv 5 and 6 write it: a string that begins with ':' gets one more ':', a Buffer becomes
 * ":base64:…", at every depth. Both directions have a fast path that is plain JSON.
 */

// An opening quote follows one of these; a hit inside a string is a harmless detour.
const COLON_STRING = /[:[,]":/

export interface Json {
  readonly text: string
  /** False: JSON.parse alone gives the value back. */
  readonly escaped: boolean
}

/** JSON of a value, or undefined for what JSON cannot hold (undefined, functions, symbols). */
export function toJson(value: unknown): Json | undefined {
  if (Buffer.isBuffer(value)) {
    return { text: `":base64:${value.toString('base64')}"`, escaped: true }
  }
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) return undefined
  // What toJSON makes of a Buffer holds the word; quotes before it would make the search ten times longer.
  if (!text.startsWith('":') && !COLON_STRING.test(text) && !text.includes('Buffer"')) {
    return { text, escaped: false }
  }
  return { text: JSON.stringify(value, escapeValue), escaped: true }
}

/** As {@link toJson}, its text alone. */
export function stringifyValue(value: unknown): string | undefined {
  return toJson(value)?.text
}

function escapeValue(this: Record<string, unknown>, key: string, value: unknown): unknown {
  // toJSON has already run on `value`; the Buffer itself is still in the holder.
  const original = this[key]
  if (Buffer.isBuffer(original)) return `:base64:${original.toString('base64')}`
  // JSON writes a boxed string as a plain one.
  const text = isStringObject(value) ? value.valueOf() : value
  return typeof text === 'string' && text.startsWith(':') ? `:${text}` : text
}

const OPENS_WITH_COLON = /[:[,]\s*":/

/** Parses what is not escaped. Own `__proto__` keys are dropped. Throws on bad JSON. */
export function parsePlain(text: string): unknown {
  return mayHoldProto(text) ? parseJson(text) : JSON.parse(text)
}

/** JSON.stringify never escapes printable ASCII: only a foreign text hides a key or a colon so. */
function mayHoldProto(text: string): boolean {
  return text.includes('__proto__') || text.includes('\\u00')
}

/** Parses what `stringifyValue` or Keyv wrote. Own `__proto__` keys are dropped. Throws on bad JSON. */
export function parseJson(text: string): unknown {
  return needsReviver(text) ? JSON.parse(text, reviveValue) : JSON.parse(text)
}

// Three plain scans: joined into one pattern they take twice as long.
function needsReviver(text: string): boolean {
  const first = text.charCodeAt(0)
  return first === 34 /* " */ || first <= 32 || mayHoldProto(text) || OPENS_WITH_COLON.test(text)
}

function reviveValue(key: string, value: unknown): unknown {
  if (key === '__proto__') return undefined
  if (typeof value !== 'string' || !value.startsWith(':')) return value
  if (value.startsWith(':base64:')) return Buffer.from(value.slice(8), 'base64')
  // Only Keyv 6 writes this; a string that looks so would have one more colon.
  if (/^:bigint:-?\d{1,4096}$/.test(value)) return BigInt(value.slice(8))
  return value.slice(1)
}
