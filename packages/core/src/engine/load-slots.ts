import type { Clock } from '@corral/connection'

/**
 * Bounds how many loaders run at once; the others come in the order of asking.
 *
 * Loaders may wait for loads of the same cache. Once all that run do, none would ever end: when none
 * has for a while, one more is let in, the one who asked last, for whom the others may be waiting.
 */
export interface LoadSlots {
  readonly running: number
  /** Undefined: the caller may go at once; else it may when the promise resolves. */
  readonly take: () => Promise<void> | undefined
  /** To be called once for every `take`. */
  readonly free: () => void
}

/** How long nothing may end before one more is let in. */
export const stallMs = 1_000

/** How many more may be let in, at least: loads may be nested so deep. */
const leastMore = 10

export function createLoadSlots(most: number, clock: Clock): LoadSlots {
  let running = 0
  let first = 0
  let line: (() => void)[] = []
  /** Until the line is empty, who asks last comes first. */
  let stalled = false
  let watched = false
  let ended = 0

  function next(): (() => void) | undefined {
    if (first === line.length) return undefined
    if (stalled) return line.pop()
    // An index instead of `shift`, which is slow on long lines.
    const one = line[first++]
    if (first > 1_000 && first * 2 > line.length) {
      line = line.slice(first)
      first = 0
    }
    return one
  }

  function watch(): void {
    if (watched) return
    watched = true
    const before = ended
    clock.setTimer(
      () => {
        watched = false
        if (first === line.length) return
        if (ended === before && running < most + Math.max(most, leastMore)) {
          stalled = true
          running++
          next()?.()
        }
        watch()
      },
      stallMs,
      { unref: true },
    )
  }

  return {
    get running() {
      return running
    },
    take() {
      if (running < most) {
        running++
        return undefined
      }
      watch()
      return new Promise((resolve) => line.push(resolve))
    },
    free() {
      ended++
      const waiter = next()
      if (waiter === undefined) {
        running--
        stalled = false
        return
      }
      // The place is handed over.
      waiter()
    },
  }
}
