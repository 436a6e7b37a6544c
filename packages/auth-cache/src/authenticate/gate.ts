/** Lets a few in at once; the others wait in line, and not too many of them. */
export interface Gate {
  /** False, at once: the line is full. */
  enter(): Promise<boolean>
  leave(): void
}

export function createGate(places: number, line: number): Gate {
  const waiting: (() => void)[] = []
  let first = 0
  let free = places

  return {
    enter() {
      if (free > 0) {
        free--
        return Promise.resolve(true)
      }
      if (waiting.length - first >= line) return Promise.resolve(false)
      return new Promise((resolve) => waiting.push(() => resolve(true)))
    },
    leave() {
      const next = waiting[first]
      if (next === undefined) {
        free++
        return
      }
      first++
      if (first === waiting.length || first >= 1_024) {
        waiting.splice(0, first)
        first = 0
      }
      next()
    },
  }
}
