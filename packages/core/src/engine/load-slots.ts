/** Bounds how many loaders run at once; the others come in the order of asking. */
export interface LoadSlots {
  readonly running: number
  /** Undefined: the caller may go at once; else it may when the promise resolves. */
  readonly take: () => Promise<void> | undefined
  /** To be called once for every `take`. */
  readonly free: () => void
}

export function createLoadSlots(most: number): LoadSlots {
  let running = 0
  let first = 0
  let line: (() => void)[] = []

  return {
    get running() {
      return running
    },
    take() {
      if (running < most) {
        running++
        return undefined
      }
      return new Promise((resolve) => line.push(resolve))
    },
    free() {
      const next = line[first]
      if (next === undefined) {
        running--
        return
      }
      // The place is handed over. An index instead of `shift`, which is slow on long lines.
      first++
      if (first > 1_000 && first * 2 > line.length) {
        line = line.slice(first)
        first = 0
      }
      next()
    },
  }
}
