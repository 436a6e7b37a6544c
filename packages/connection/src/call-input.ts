import type { Argument } from './connection.ts'
import { describeValue } from './duration.ts'
import { CorralError } from './errors.ts'
import type { EachScript } from './script.ts'

/*
 * What a call is given, checked before it joins others in one command. ioredis flattens arrays, so an
 * array in the place of a key or an argument would shift what belongs to the other callers; and a
 * symbol makes it throw where nobody could catch it.
 */

/** @throws TypeError */
export function requireKey(key: unknown): void {
  if (typeof key !== 'string') {
    throw new TypeError(`key: must be a string, received ${describeValue(key)}`)
  }
}

/** @throws TypeError */
export function requireKeys(keys: unknown): void {
  if (!Array.isArray(keys)) {
    throw new TypeError(`keys: must be an array of strings, received ${describeValue(keys)}`)
  }
  for (const key of keys) requireKey(key)
}

/** @throws TypeError */
export function requireArguments(args: readonly unknown[]): void {
  for (const arg of args) {
    if (typeof arg !== 'string' && typeof arg !== 'number' && !Buffer.isBuffer(arg)) {
      throw new TypeError(
        `argument: must be a string, a number or a Buffer, received ${describeValue(arg)}`,
      )
    }
  }
}

/** @throws TypeError for Lua text, which would run without a deadline */
export function requireScript(script: unknown): void {
  const { lua, sha } = (script ?? {}) as Readonly<Record<string, unknown>>
  if (typeof lua === 'string' && typeof sha === 'string') return
  throw new TypeError(
    `script: must be of defineScript or defineEachScript, received ${describeValue(script)}`,
  )
}

/**
 * One argument more or less would shift those of the other callers.
 *
 * @throws TypeError
 */
export function requireShares(
  { name, argsPerKey }: EachScript,
  keys: number,
  args: readonly unknown[],
): void {
  const fits =
    argsPerKey === undefined
      ? keys === 0 || args.length % keys === 0
      : args.length === keys * argsPerKey
  if (fits) return
  throw new TypeError(
    `arguments: ${name} takes ${argsPerKey ?? 'as many'} for each key, received ${args.length} for ${keys} keys`,
  )
}

/** @throws RangeError a call without a true end would be what this package exists against */
export function requireDuration(ms: number): number {
  if (typeof ms === 'number' && ms > 0 && ms <= 60_000) return ms
  throw new RangeError(
    `deadlineMs: must be over 0 and at most 60000, received ${describeValue(ms)}`,
  )
}

/**
 * Whole milliseconds for PX; 0 stands for "for ever" and is never what a caller gave. Nor does it come
 * of the `ttl` of a cache, which means something here to nobody.
 *
 * @throws TypeError, RangeError
 */
export function requireTtl(call: { readonly ttlMs?: number } = {}): number {
  if ('ttl' in call) {
    throw new TypeError(
      `ttl: is no option of set, which takes ttlMs, received ${describeValue(call.ttl)}`,
    )
  }
  const ms = call.ttlMs
  if (ms === undefined) return 0
  if (typeof ms === 'number' && ms > 0 && ms <= Number.MAX_SAFE_INTEGER / 2) return Math.ceil(ms)
  throw new RangeError(
    `ttlMs: must be over 0, or left out for a value that stays, received ${describeValue(ms)}`,
  )
}

/** @throws TypeError, CorralError VALUE_TOO_LARGE */
export function requireValue(value: Argument, most: number): void {
  if (typeof value !== 'string' && !Buffer.isBuffer(value)) {
    throw new TypeError(`value: must be a string or a Buffer, received ${describeValue(value)}`)
  }
  const error = tooLarge([value], most)
  if (error !== undefined) throw error
}

/** What is wrong with the first of some arguments that takes more bytes than a value may. */
export function tooLarge(args: readonly Argument[], most: number): CorralError | undefined {
  for (const arg of args) {
    // A string of n characters takes n to 3n bytes; measure only where that could matter.
    if (typeof arg === 'number' || arg.length * 3 <= most) continue
    const bytes = typeof arg === 'string' ? Buffer.byteLength(arg) : arg.length
    if (bytes <= most) continue
    return new CorralError(
      'VALUE_TOO_LARGE',
      `a value may have ${most} bytes (maxValueBytes), received ${bytes}`,
    )
  }
  return undefined
}
