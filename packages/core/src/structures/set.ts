import { decodeElements, encodeElement } from './element.ts'
import { isOne } from './hash.ts'
import { accessStructure, type StructureDeps, type StructureOptions } from './structure-access.ts'

/**
 * A Redis set at one key of a cache. Members are compared by their JSON: `{ a, b }` and `{ b, a }` are
 * two. Reads of a set that is not there, or that Redis cannot give, are empty; changes reject when
 * Redis cannot make them.
 */
export interface CachedSet<T> {
  readonly key: string
  /** How many were not in it yet. */
  sadd(...members: readonly T[]): Promise<number>
  /** How many were in it. */
  srem(...members: readonly T[]): Promise<number>
  /** All members, in no order. */
  smembers(): Promise<T[]>
  sismember(member: T): Promise<boolean>
  scard(): Promise<number>
}

export function openSet<T>(
  deps: StructureDeps,
  key: string,
  options?: StructureOptions,
): CachedSet<T> {
  const { read, write } = accessStructure(deps, key, options)

  async function change(command: 'SADD' | 'SREM', members: readonly T[]): Promise<number> {
    const texts = members.map((member) => encodeElement(key, member))
    return texts.length === 0 ? 0 : Number(await write(command, texts))
  }

  return {
    key,
    sadd: async (...members) => change('SADD', members),
    srem: async (...members) => change('SREM', members),
    smembers: () => read('SMEMBERS', [], decodeElements<T>, []),
    sismember: async (member) => read('SISMEMBER', [encodeElement(key, member)], isOne, false),
    scard: () => read('SCARD', [], Number, 0),
  }
}
