import { decodeElement, encodeElement } from './element.ts'
import {
  accessStructure,
  textArgument,
  wholeArgument,
  type StructureDeps,
  type StructureOptions,
} from './structure-access.ts'

/**
 * A Redis hash at one key of a cache: fields with JSON values. Reads of a hash that is not there, or
 * that Redis cannot give, are empty; changes reject when Redis cannot make them.
 */
export interface CachedHash<T> {
  readonly key: string
  hget(field: string): Promise<T | undefined>
  /** All fields, on an object without a prototype: any field name is data, `__proto__` too. */
  hgetall(): Promise<Record<string, T>>
  hexists(field: string): Promise<boolean>
  hlen(): Promise<number>
  hkeys(): Promise<string[]>
  /** Sets one field or many, `undefined` ones left out; how many of them are new. */
  hset(field: string, value: T): Promise<number>
  hset(fields: Readonly<Record<string, T | undefined>> | ReadonlyMap<string, T>): Promise<number>
  /** How many of the fields were there. */
  hdel(...fields: readonly string[]): Promise<number>
  /**
   * Adds to a field that holds a whole number, or begins at 0; what it is then.
   *
   * @throws CorralError `WRONG_TYPE` where something else stands, `REDIS_REPLY` (`OVERFLOW`) where the
   * count would leave 2^53
   */
  hincrby(field: string, by?: number): Promise<number>
}

export function openHash<T>(
  deps: StructureDeps,
  key: string,
  options?: StructureOptions,
): CachedHash<T> {
  const { read, write } = accessStructure(deps, key, options)

  async function hset(fields: unknown, value?: unknown): Promise<number> {
    const args: string[] = []
    for (const [field, each] of typeof fields === 'string' ? [[fields, value]] : pairsOf(fields)) {
      args.push(textArgument('field', field), encodeElement(key, each))
    }
    return args.length === 0 ? 0 : Number(await write('HSET', args))
  }

  return {
    key,
    hget: async (field) =>
      read('HGET', [textArgument('field', field)], decodeElement<T>, undefined),
    hgetall: () => read('HGETALL', [], decodeFields<T>, noFields()),
    hexists: async (field) => read('HEXISTS', [textArgument('field', field)], isOne, false),
    hlen: () => read('HLEN', [], Number, 0),
    hkeys: () => read('HKEYS', [], (reply) => reply as string[], []),
    hset,
    async hdel(...fields) {
      const names = fields.map((field) => textArgument('field', field))
      return names.length === 0 ? 0 : Number(await write('HDEL', names))
    },
    async hincrby(field, by = 1) {
      const args = [textArgument('field', field), wholeArgument('by', by)]
      return Number(await write('HINCRBY', args))
    },
  }
}

export function isOne(reply: unknown): boolean {
  return Number(reply) === 1
}

function pairsOf(fields: unknown): (readonly [unknown, unknown])[] {
  if (fields instanceof Map) return [...(fields as ReadonlyMap<unknown, unknown>)]
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new TypeError('fields: must be a field name with its value, an object or a Map')
  }
  return Object.entries(fields).filter(([, value]) => value !== undefined)
}

function noFields<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>
}

/** Redis gives fields and values in turn. */
function decodeFields<T>(reply: unknown): Record<string, T> {
  const fields = noFields<T>()
  const flat = reply as readonly string[]
  for (let i = 0; i < flat.length; i += 2) {
    const value = decodeElement<T>(flat[i + 1])
    if (value !== undefined) fields[flat[i] as string] = value
  }
  return fields
}
