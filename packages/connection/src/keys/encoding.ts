import { describeValue } from '../duration.ts'

/** What may stand in a Redis key as it is and is plain ASCII: the fast path of every encoder. */
const plain = /^[!-$&-z|~]*$/
/** The same without `:`, which separates the parts of a key. */
const plainPart = /^[!-$&-9;-z|~]*$/

/** The escape itself, hash-tag braces, white space, control characters. */
const unsafe = /[%{}\s\p{Cc}]/gu
const unsafePart = /[%{}:\s\p{Cc}]/gu

const loneSurrogate = /\p{Surrogate}/u

/** True when `text` is ASCII that encoding leaves unchanged; then its length is its size in bytes. */
export function isPlain(text: string): boolean {
  return plain.test(text)
}

/**
 * Refuses what has no UTF-8 form: every lone surrogate would be stored as the same replacement
 * character, so two keys would meet in one.
 *
 * @throws TypeError
 */
export function checkWellFormed(text: string, option: string): void {
  if (loneSurrogate.test(text)) {
    throw new TypeError(
      `${option}: must be well-formed UTF-16 (no lone surrogate), received ${describeValue(text)}`,
    )
  }
}

/**
 * Percent-encodes `%`, braces, white space and control characters as UTF-8 bytes in upper-case
 * hex; the rest stays readable. Injective. Expects well-formed text.
 */
export function encodeText(text: string): string {
  return plain.test(text) ? text : text.replace(unsafe, encodeURIComponent)
}

/** The lossy classic: each character that {@link encodeText} would encode becomes `_`. */
export function replaceUnsafe(text: string): string {
  return plain.test(text) ? text : text.replace(unsafe, '_')
}

/** Undoes {@link encodeText}; `undefined` for what it never emits. */
export function decodeText(encoded: string): string | undefined {
  if (plain.test(encoded)) return encoded
  let text: string
  try {
    text = decodeURIComponent(encoded)
  } catch {
    return undefined
  }
  // Only the one spelling that the encoder emits is ours; `%41` was written by somebody else.
  return encodeText(text) === encoded ? text : undefined
}

/**
 * Encodes one part of a key that is built from parts, `:` included, so that `('1:admin', 'x')` and
 * `('1', 'admin:x')` give different keys when joined by `:`.
 *
 * @throws TypeError when `part` is no string or not well-formed
 */
export function encodePart(part: string): string {
  if (typeof part !== 'string') {
    throw new TypeError(`key part: must be a string, received ${describeValue(part)}`)
  }
  if (plainPart.test(part)) return part
  checkWellFormed(part, 'key part')
  return part.replace(unsafePart, encodeURIComponent)
}
