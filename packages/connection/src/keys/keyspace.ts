import { createHash } from 'node:crypto'
import { describeValue } from '../duration.ts'
import { checkWellFormed, decodeText, encodeText, isPlain, replaceUnsafe } from './encoding.ts'
import { checkNamespace } from './namespace.ts'

/** How a cache key becomes part of a Redis key. */
export type Sanitize = 'encode' | 'replace' | ((key: string) => string)

export interface KeyspaceOptions {
  /**
   * Where the keys live: `<namespace>::<key>`. Not empty, without braces, glob characters, white
   * space or `::`, and not `bull`. May be hierarchical and carry a version: `shop:v1`.
   */
  readonly namespace: string
  /**
   * - `'encode'`: `%`, braces, white space and control characters are percent-encoded; two
   *   different keys never meet in one Redis key
   * - `'replace'`: each of them becomes `_`; keys that differ only there share an entry
   * - a function: its result is what counts as the key from there on (and is then encoded)
   *
   * @defaultValue 'encode'
   */
  readonly sanitize?: Sanitize
  /**
   * Longest Redis key in bytes of UTF-8, namespace included. A longer one keeps a readable head
   * and ends in a SHA-256 digest. 64 to 65 536, and at least 64 more than `<namespace>::`.
   *
   * @defaultValue 250
   */
  readonly maxKeyLength?: number
}

/** The keys of one namespace. */
export interface Keyspace {
  readonly namespace: string
  /** `<namespace>::`, what all its Redis keys start with and no other namespace's do. */
  readonly prefix: string
  readonly sanitize: Sanitize
  readonly maxKeyLength: number
  /**
   * The Redis key of `key`. The empty string is a key like any other: it gives the prefix itself.
   *
   * @throws TypeError when `key` is no string or not well-formed UTF-16
   */
  key(key: string): string
  /**
   * The key behind a Redis key. `undefined` when it lies outside the namespace, when only its
   * digest is stored, or when no key gives it (a foreign writer's).
   */
  decode(redisKey: string): string | undefined
  /** The readable head of a Redis key that holds a digest; `undefined` for every other one. */
  head(redisKey: string): string | undefined
  /** The encoded start of `text` as far as a Redis key shows it even when a digest follows. */
  visibleStart(text: string): string
}

const defaultMaxKeyLength = 250
/** Encoding emits `%` only before two hex digits, so this marks a digest and nothing else. */
const digestMark = '%#'
/** SHA-256 in base64url, without padding. */
const digestLength = 43
const digestForm = /^[\w-]{43}$/
const leastRoom = 64

function checkMaxKeyLength(value: number, prefixBytes: number): void {
  if (!Number.isInteger(value) || value < leastRoom || value > 65_536) {
    throw new RangeError(
      `maxKeyLength: must be a whole number from ${leastRoom} to 65536, received ${describeValue(value)}`,
    )
  }
  if (value - prefixBytes < leastRoom) {
    throw new RangeError(
      `maxKeyLength: must leave ${leastRoom} bytes after the namespace (${prefixBytes} bytes with '::'), received ${value}`,
    )
  }
}

function checkSanitize(value: Sanitize): void {
  if (value !== 'encode' && value !== 'replace' && typeof value !== 'function') {
    throw new TypeError(
      `sanitize: must be 'encode', 'replace' or a function, received ${describeValue(value)}`,
    )
  }
}

/**
 * Makes the keyspace of a namespace: an injective map from cache keys to Redis keys.
 *
 * @throws TypeError or RangeError naming option, rule and value
 *
 * @example
 * ```ts
 * import { createKeyspace } from '@corral/connection'
 * const keys = createKeyspace({ namespace: 'shop:v1' })
 * keys.key('user:1 {a}') // 'shop:v1::user:1%20%7Ba%7D'
 * keys.decode('shop:v1::user:1%20%7Ba%7D') // 'user:1 {a}'
 * ```
 */
export function createKeyspace(options: KeyspaceOptions): Keyspace {
  const { namespace, sanitize = 'encode', maxKeyLength = defaultMaxKeyLength } = options
  checkNamespace(namespace)
  checkSanitize(sanitize)
  const prefix = `${namespace}::`
  const prefixBytes = Buffer.byteLength(prefix)
  checkMaxKeyLength(maxKeyLength, prefixBytes)
  const room = maxKeyLength - prefixBytes
  const headRoom = room - digestMark.length - digestLength

  function visibleStart(text: string): string {
    let start = ''
    let bytes = 0
    for (const character of text) {
      const encoded = encodeText(character)
      bytes += Buffer.byteLength(encoded)
      if (bytes > headRoom) break
      start += encoded
    }
    return start
  }

  function digestKey(text: string): string {
    const digest = createHash('sha256').update(text).digest('base64url')
    return `${prefix}${visibleStart(text)}${digestMark}${digest}`
  }

  function encodedKey(text: string): string {
    checkWellFormed(text, 'key')
    // A string is never shorter in bytes than in UTF-16 units: no need to encode a huge one.
    if (text.length > room) return digestKey(text)
    const encoded = encodeText(text)
    return Buffer.byteLength(encoded) > room ? digestKey(text) : prefix + encoded
  }

  function sanitizedKey(key: string, custom: (key: string) => string): string {
    const text = custom(key)
    if (typeof text !== 'string') {
      throw new TypeError(`sanitize: must return a string, received ${describeValue(text)}`)
    }
    return encodedKey(text)
  }

  function key(text: string): string {
    if (typeof text !== 'string') {
      throw new TypeError(`key: must be a string, received ${describeValue(text)}`)
    }
    if (typeof sanitize === 'function') return sanitizedKey(text, sanitize)
    if (text.length <= room && isPlain(text)) return prefix + text
    checkWellFormed(text, 'key')
    return encodedKey(sanitize === 'replace' ? replaceUnsafe(text) : text)
  }

  function decode(redisKey: string): string | undefined {
    if (!redisKey.startsWith(prefix) || Buffer.byteLength(redisKey) > maxKeyLength) return undefined
    return decodeText(redisKey.slice(prefix.length))
  }

  function head(redisKey: string): string | undefined {
    if (!redisKey.startsWith(prefix)) return undefined
    const mark = redisKey.indexOf(digestMark, prefix.length)
    if (mark < 0 || !digestForm.test(redisKey.slice(mark + digestMark.length))) return undefined
    return decodeText(redisKey.slice(prefix.length, mark))
  }

  return { namespace, prefix, sanitize, maxKeyLength, key, decode, head, visibleStart }
}
