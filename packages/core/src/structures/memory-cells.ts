import type { Clock } from '@corral/connection'

/** What Redis keeps beside strings. */
export type MemoryStructure = Map<string, string> | Set<string> | string[]

/** What stands at a key: the text of an entry or a counter, or a structure. */
export interface MemoryCell {
  readonly content: string | MemoryStructure
  /** By the monotonic clock; `Infinity` without an end. */
  readonly endsAt: number
}

/** This process's memory by Redis key; whatever is full loses the key used longest ago. */
export interface MemoryCells {
  /** What stands there and has not ended; it counts as used now. */
  find(redisKey: string): MemoryCell | undefined
  put(redisKey: string, cell: MemoryCell): void
  /** True if something stood there. */
  drop(redisKey: string): boolean
  /** The keys held, those that ended since they were last used included. */
  keys(): IterableIterator<string>
  clear(): void
  readonly size: number
}

export function createMemoryCells(clock: Clock, maxKeys: number): MemoryCells {
  const cells = new Map<string, MemoryCell>()

  return {
    find(redisKey) {
      const cell = cells.get(redisKey)
      if (cell === undefined) return undefined
      // A Map keeps the order of insertion: last in is last used.
      cells.delete(redisKey)
      if (cell.endsAt <= clock.now()) return undefined
      cells.set(redisKey, cell)
      return cell
    },
    put(redisKey, cell) {
      cells.delete(redisKey)
      cells.set(redisKey, cell)
      if (cells.size <= maxKeys) return
      for (const oldest of cells.keys()) {
        cells.delete(oldest)
        return
      }
    },
    drop: (redisKey) => cells.delete(redisKey),
    keys: () => cells.keys(),
    clear: () => cells.clear(),
    get size() {
      return cells.size
    },
  }
}
