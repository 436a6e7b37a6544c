import { keyHash } from '../protocol/key-hash.ts'

/**
 * Tells whether a key has changed since some moment, in a fixed amount of memory and without
 * anything to give back: changes are counted by a hash of the key. Two keys that share a count only
 * make one look changed when the other is.
 */
export interface ChangeCounts {
  /** This moment, for {@link changedSince}. */
  mark(redisKey: string): number
  changedSince(redisKey: string, mark: number): boolean
  /** The key changed, or may have. */
  note(redisKey: string): void
  /** Every key may have. */
  noteAll(): void
}

const PLACES = 4096

export function createChangeCounts(): ChangeCounts {
  const counts = new Uint32Array(PLACES)
  let total = 0
  /** Until somebody takes a mark there is nothing to compare with, and nothing to count. */
  let marked = false

  function mark(redisKey: string): number {
    marked = true
    return total + (counts[keyHash(redisKey) % PLACES] as number)
  }

  return {
    mark,
    changedSince: (redisKey, since) => mark(redisKey) !== since,
    note(redisKey) {
      if (!marked) return
      const place = keyHash(redisKey) % PLACES
      counts[place] = (counts[place] as number) + 1
    },
    noteAll() {
      // By one, as a count grows: sums only grow, and stay exact whole numbers.
      total++
    },
  }
}
