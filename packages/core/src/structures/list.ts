import { decodeElement, decodeElements, encodeElement } from './element.ts'
import {
  accessStructure,
  wholeArgument,
  type StructureDeps,
  type StructureOptions,
} from './structure-access.ts'

/**
 * A Redis list at one key of a cache: JSON values in order. Reads of a list that is not there, or that
 * Redis cannot give, are empty; changes reject when Redis cannot make them.
 */
export interface CachedList<T> {
  readonly key: string
  /** Puts values before the first, one after another, so that the last of them is first; the new length. */
  lpush(...values: readonly T[]): Promise<number>
  /** Puts values behind the last; the new length. */
  rpush(...values: readonly T[]): Promise<number>
  /** Takes the first. */
  lpop(): Promise<T | undefined>
  /** Takes the last. */
  rpop(): Promise<T | undefined>
  /** From `start` to `stop`, both included; negative ones count from the end, -1 is the last. */
  lrange(start?: number, stop?: number): Promise<T[]>
  llen(): Promise<number>
  /** Keeps only `start` to `stop`, both included. */
  ltrim(start: number, stop: number): Promise<void>
}

export function openList<T>(
  deps: StructureDeps,
  key: string,
  options?: StructureOptions,
): CachedList<T> {
  const { read, write } = accessStructure(deps, key, options)

  async function push(command: 'LPUSH' | 'RPUSH', values: readonly T[]): Promise<number> {
    const texts = values.map((value) => encodeElement(key, value))
    return texts.length === 0 ? read('LLEN', [], Number, 0) : Number(await write(command, texts))
  }

  return {
    key,
    lpush: async (...values) => push('LPUSH', values),
    rpush: async (...values) => push('RPUSH', values),
    lpop: async () => decodeElement<T>(await write('LPOP', [])),
    rpop: async () => decodeElement<T>(await write('RPOP', [])),
    lrange: async (start = 0, stop = -1) =>
      read(
        'LRANGE',
        [wholeArgument('start', start), wholeArgument('stop', stop)],
        decodeElements<T>,
        [],
      ),
    llen: () => read('LLEN', [], Number, 0),
    async ltrim(start, stop) {
      await write('LTRIM', [wholeArgument('start', start), wholeArgument('stop', stop)])
    },
  }
}
