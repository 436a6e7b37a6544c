import { describeValue } from '../duration.ts'
import { checkWellFormed, replaceUnsafe } from './encoding.ts'
import type { Keyspace } from './keyspace.ts'

const globCharacters = /[*?[\]\\]/g

/** Makes `literal` mean itself in a SCAN MATCH pattern and in a {@link compilePattern} pattern. */
export function escapeGlob(literal: string): string {
  return literal.replace(globCharacters, '\\$&')
}

/** Whether a key matches: `'maybe'` when only its head is known and the pattern asks for more. */
export type Match = 'yes' | 'no' | 'maybe'

/** A pattern of one keyspace, ready to look for its keys. */
export interface KeyPattern {
  /** The Redis key that the pattern names without a wildcard; no SCAN is needed for it. */
  readonly exactKey: string | undefined
  /**
   * SCAN MATCH patterns that together meet every other key that matches, and more: always ask
   * {@link match} as well. They lie inside the namespace whatever the pattern holds.
   */
  readonly scanPatterns: readonly string[]
  /** Whether a decoded key matches. */
  test(key: string): boolean
  /** Whether what SCAN gave matches, also where a digest hides the end of the key. */
  match(redisKey: string): Match
}

const many: unique symbol = Symbol('*')
const one: unique symbol = Symbol('?')
type Token = string | typeof many | typeof one

/** One token per code point; `\` takes the next one literally, `[` and `]` mean themselves. */
function tokenize(pattern: string): Token[] {
  const tokens: Token[] = []
  let escaped = false
  for (const character of pattern) {
    if (escaped) {
      tokens.push(character)
      escaped = false
    } else if (character === '\\') escaped = true
    else if (character === '?') tokens.push(one)
    else if (character !== '*') tokens.push(character)
    else if (tokens.at(-1) !== many) tokens.push(many)
  }
  if (escaped) tokens.push('\\')
  return tokens
}

/**
 * Which tokens may come next after all of `text`: `states[i]` is 1 when `tokens[i]` may, and the
 * last one when the pattern can end here. All alternatives advance together, so the work is never
 * more than pattern times text.
 */
function statesAfter(tokens: readonly Token[], text: string): Uint8Array {
  let states = new Uint8Array(tokens.length + 1)
  const enter = (target: Uint8Array, index: number): void => {
    target[index] = 1
    if (tokens[index] === many) target[index + 1] = 1
  }
  enter(states, 0)
  for (const character of text) {
    const next = new Uint8Array(tokens.length + 1)
    for (let index = 0; index < tokens.length; index++) {
      if (states[index] !== 1) continue
      const token = tokens[index]
      if (token === many) enter(next, index)
      else if (token === one || token === character) enter(next, index + 1)
    }
    states = next
  }
  return states
}

function leadingLiteral(tokens: readonly Token[]): string {
  const end = tokens.findIndex((token) => typeof token !== 'string')
  return (end < 0 ? tokens : tokens.slice(0, end)).join('')
}

/**
 * Compiles a pattern over *decoded* keys.
 *
 * - `*` is any text, `?` any one character, `\` takes the next character literally
 * - without a wildcard it means that key and everything below it at a `:`: `user:1` is `user:1` and
 *   `user:1:cart`, never `user:10`
 * - ending in `:` it means the prefix: `user:` is everything that starts so
 *
 * With a `sanitize` function patterns are matched against what it returned.
 *
 * @throws TypeError when the pattern is no string, empty, or not well-formed UTF-16
 */
export function compilePattern(keyspace: Keyspace, pattern: string): KeyPattern {
  if (typeof pattern !== 'string') {
    throw new TypeError(`pattern: must be a string, received ${describeValue(pattern)}`)
  }
  if (pattern === '') {
    throw new TypeError('pattern: must not be empty (all keys: \'*\'), received ""')
  }
  checkWellFormed(pattern, 'pattern')

  let tokens: Token[] = tokenize(pattern)
  let exact: string | undefined
  if (!tokens.includes(many) && !tokens.includes(one)) {
    const literal = tokens.join('')
    if (!literal.endsWith(':')) {
      exact = literal
      tokens.push(':')
    }
    tokens.push(many)
  }
  if (keyspace.sanitize === 'replace') {
    tokens = tokens.map((token) => (typeof token === 'string' ? replaceUnsafe(token) : token))
    if (exact !== undefined) exact = replaceUnsafe(exact)
  }
  const exactKey = exact === undefined ? undefined : keyspace.key(exact)

  const start = leadingLiteral(tokens)
  const onlyStart =
    tokens.findIndex((token) => typeof token !== 'string') === tokens.length - 1 &&
    tokens.at(-1) === many
  const scanPatterns = [`${escapeGlob(keyspace.prefix + keyspace.visibleStart(start))}*`]

  function test(key: string): boolean {
    if (key === exact) return true
    if (!key.startsWith(start)) return false
    return onlyStart || statesAfter(tokens, key)[tokens.length] === 1
  }

  function match(redisKey: string): Match {
    if (redisKey === exactKey) return 'yes'
    const key = keyspace.decode(redisKey)
    if (key !== undefined) return test(key) ? 'yes' : 'no'
    const head = keyspace.head(redisKey)
    if (head === undefined) return 'no'
    const states = statesAfter(tokens, head)
    // Standing at a closing `*`: whatever follows the head matches.
    if (tokens.at(-1) === many && states[tokens.length] === 1) return 'yes'
    // The key goes on after its head, so a pattern that can only end here does not match it.
    return states.subarray(0, tokens.length).includes(1) ? 'maybe' : 'no'
  }

  return { exactKey, scanPatterns, test, match }
}
