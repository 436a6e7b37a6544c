import { createHash } from 'node:crypto'
import { describeValue } from '@corral/connection'

/** Longest text that stands in a key as it is. */
const READABLE = 100

/**
 * A key for the arguments of a call: the same for arguments that are equal by their contents, whatever
 * the order of an object's properties, and different for what differs, `1` and `'1'` included.
 * Arguments left out and `undefined` at the end are the same.
 *
 * @throws TypeError for functions, symbols, cycles and objects of a class, which have no such form
 */
export function argumentKey(args: readonly unknown[]): string {
  let length = args.length
  while (length > 0 && args[length - 1] === undefined) length--
  const text = args
    .slice(0, length)
    .map((arg, i) => write(arg, `argument ${i}`, []))
    .join(',')
  // A text of arguments never begins with '#'.
  return text.length <= READABLE
    ? text
    : `#${createHash('sha256').update(text).digest('base64url')}`
}

function write(value: unknown, at: string, above: readonly object[]): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      return Object.is(value, -0) ? '0' : String(value)
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'bigint':
      return `${value}n`
    case 'object':
      return value === null ? 'null' : writeObject(value, at, above)
    default:
      throw new TypeError(`${at}: cannot be part of a key, received a ${typeof value}`)
  }
}

function writeObject(value: object, at: string, above: readonly object[]): string {
  if (above.includes(value)) throw new TypeError(`${at}: cannot be part of a key, it holds itself`)
  const inside = [...above, value]
  const each = (one: unknown): string => write(one, at, inside)
  // A subclass may hold more than its contents, and is refused with the other classes below.
  const prototype: unknown = Object.getPrototypeOf(value)
  // Of arrays `Array.prototype` alone is one itself, in every realm.
  if (Array.isArray(value) && Array.isArray(prototype)) {
    return `[${Array.from(value, each).join(',')}]`
  }
  switch (prototype) {
    case Date.prototype:
      return `Date(${(value as Date).getTime()})`
    case Map.prototype: {
      const pairs = [...(value as Map<unknown, unknown>)].map(
        ([key, one]) => `${each(key)}:${each(one)}`,
      )
      return `Map(${pairs.toSorted().join(',')})`
    }
    case Set.prototype:
      return `Set(${Array.from(value as Set<unknown>, each)
        .toSorted()
        .join(',')})`
    case URL.prototype:
      return `URL(${JSON.stringify((value as URL).href)})`
    case Uint8Array.prototype:
    case Buffer.prototype:
      return `Bytes(${Buffer.from(value as Uint8Array).toString('base64url')})`
    case Object.prototype:
    case null:
      return writeProperties(value, at, each)
    default:
      throw new TypeError(
        `${at}: an object of a class cannot be part of a key, give the option 'key'; received ${describeValue(value)}`,
      )
  }
}

function writeProperties(value: object, at: string, each: (one: unknown) => string): string {
  // Query builders write their operators so.
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw new TypeError(
      `${at}: an object with symbols cannot be part of a key, give the option 'key'; received ${describeValue(value)}`,
    )
  }
  const properties = Object.keys(value)
    .toSorted()
    .map((name) => `${JSON.stringify(name)}:${each((value as Record<string, unknown>)[name])}`)
  return `{${properties.join(',')}}`
}
