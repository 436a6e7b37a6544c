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
  /** How many calls are about to judge by it. */
  holders: number
}

/** A {@link StampCopy.turn} that never is. */
export const NO_TURN: number = -1

export function createStampCopy(key: string): StampCopy {
  return {
    key,
    value: 0,
    fresh: false,
    voids: 0,
    turn: NO_TURN,
    asked: undefined,
    used: false,
    holders: 0,
  }
}

/** Copies by stamp key, at most `most` besides those that are held; those not used lately go first. */
export interface StampCopies {
  readonly size: number
  get(key: string): StampCopy | undefined
  /** The copy of a key, made if there is none. */
  open(key: string): StampCopy
  /** As `open`; it stays until it is released, however many others a call needs beside it. */
  hold(key: string): StampCopy
  release(copy: StampCopy): void
  values(): Iterable<StampCopy>
  clear(): void
}

export function createStampCopies(most: number): StampCopies {
  const copies = new Map<string, StampCopy>()
  let held = 0

  /** Second chance: nearly as good as least recently used, and a hit writes one flag. */
  function evict(): void {
    for (const [key, copy] of copies) {
      copies.delete(key)
      if (!copy.used && copy.holders === 0) return
      copy.used = false
      copies.set(key, copy)
    }
  }

  function open(key: string): StampCopy {
    const known = copies.get(key)
    if (known !== undefined) {
      known.used = true
      return known
    }
    if (copies.size - held >= most) evict()
    const copy = createStampCopy(key)
    copies.set(key, copy)
    return copy
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
    open,
    hold(key) {
      const copy = open(key)
      if (copy.holders++ === 0) held++
      return copy
    },
    release(copy) {
      if (--copy.holders > 0) return
      held--
      while (copies.size - held > most) evict()
    },
    values: () => copies.values(),
    clear: () => copies.clear(),
  }
}

/** Takes what Redis said of a stamp; a value read earlier never takes back a later one. */
export function learnStamp(copy: StampCopy, raw: unknown): void {
  copy.value = Math.max(copy.value, parseStamp(raw))
}
