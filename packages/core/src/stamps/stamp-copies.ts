import { parseStamp } from './stamp-keys.ts'

/** What this process knows of one stamp. */
export interface StampCopy {
  readonly key: string
  /** The highest value ever seen, µs. Stamps only grow, so it is a lower bound even when it is old. */
  value: number
  /** Signals were complete ever since it was read: it is what Redis holds. */
  fresh: boolean
  /** Counts what voids a read that is under way. */
  voids: number
  /** The turn of the event loop in which it was read without signals, and in which it may be used. */
  turn: number
  /** A read of it that callers may share; none once a signal has named the stamp. */
  asked: Promise<string | null> | undefined
  /** Used since eviction looked at it last. */
  used: boolean
}

/** A {@link StampCopy.turn} that never is. */
export const NO_TURN: number = -1

export function createStampCopy(key: string): StampCopy {
  return { key, value: 0, fresh: false, voids: 0, turn: NO_TURN, asked: undefined, used: false }
}

/** Copies by stamp key, at most `most` of them; those not used lately go first. */
export interface StampCopies {
  readonly size: number
  get(key: string): StampCopy | undefined
  /** The copy of a key, made if there is none. */
  open(key: string): StampCopy
  values(): Iterable<StampCopy>
  clear(): void
}

export function createStampCopies(most: number): StampCopies {
  const copies = new Map<string, StampCopy>()

  /** Second chance: nearly as good as least recently used, and a hit writes one flag. */
  function evict(): void {
    for (const [key, copy] of copies) {
      copies.delete(key)
      if (!copy.used) return
      copy.used = false
      copies.set(key, copy)
    }
  }

  return {
    get size() {
      return copies.size
    },
    get(key) {
      const copy = copies.get(key)
      if (copy !== undefined) copy.used = true
      return copy
    },
    open(key) {
      const held = copies.get(key)
      if (held !== undefined) {
        held.used = true
        return held
      }
      if (copies.size >= most) evict()
      const copy = createStampCopy(key)
      copies.set(key, copy)
      return copy
    },
    values: () => copies.values(),
    clear: () => copies.clear(),
  }
}

/** Takes what Redis said of a stamp; a value read earlier never takes back a later one. */
export function learnStamp(copy: StampCopy, raw: unknown): void {
  copy.value = Math.max(copy.value, parseStamp(raw))
}
