import type { Connection } from '@corral/connection'
import { LRUCache } from 'lru-cache'

/** Copies of stamps in this process, kept right by signals. */
export interface StampCopies {
  /** The stamp of a key; `undefined` if there is no copy, or copies cannot be trusted now. */
  get(key: string): number | undefined
  /**
   * Registers a read that is about to be sent; what it brings is kept by the function returned,
   * unless a signal said meanwhile that it is old. To be called also when it brought nothing.
   */
  reading(key: string): (stamp: number | undefined) => void
  /** This process changes it: no copy until the signals have said what it is. */
  drop(key: string): void
  close(): void
}

/** @param most copies held; those used longest ago go */
export function createStampCopies(
  connection: Connection,
  prefix: string,
  most: number,
): StampCopies {
  const copies = new LRUCache<string, number>({ max: most })
  /** Reads under way by key; a signal takes them out, and so voids them. */
  const reads = new Map<string, Set<object>>()
  let coherent = false

  function drop(key: string): void {
    copies.delete(key)
    reads.delete(key)
  }

  function flush(): void {
    copies.clear()
    reads.clear()
  }

  const stop = connection.signals.watch(prefix, {
    keys(keys) {
      for (const key of keys) drop(key)
    },
    flush,
    state(state) {
      coherent = state === 'on'
      if (!coherent) flush()
    },
  })

  return {
    get: (key) => (coherent ? copies.get(key) : undefined),
    reading(key) {
      const read = {}
      const group = reads.get(key)
      if (group === undefined) reads.set(key, new Set([read]))
      else group.add(read)
      return (stamp) => {
        const standing = reads.get(key)
        if (standing?.delete(read) !== true) return
        if (standing.size === 0) reads.delete(key)
        if (coherent && stamp !== undefined) copies.set(key, stamp)
      }
    },
    drop,
    close() {
      stop()
      coherent = false
      flush()
    },
  }
}
