import type { Clock, TimerHandle } from '@corral/connection'

/** Lets a few in at once; the others wait in line, not too many of them, and not for long. */
export interface Gate {
  /** False: the line is full, at once, or it did not move for too long. */
  enter(): Promise<boolean>
  leave(): void
}

interface Waiting {
  readonly since: number
  readonly tell: (entered: boolean) => void
}

/** @param longestMs how long one waits in line */
export function createGate(clock: Clock, places: number, line: number, longestMs: number): Gate {
  const waiting: Waiting[] = []
  let first = 0
  let free = places
  let timer: TimerHandle | undefined

  function next(): Waiting | undefined {
    const it = waiting[first]
    if (it === undefined) return undefined
    first++
    if (first === waiting.length || first >= 1_024) {
      waiting.splice(0, first)
      first = 0
    }
    return it
  }

  /** One timer for all, set for the one who has waited longest. */
  function watch(): void {
    const head = waiting[first]
    if (timer !== undefined || head === undefined) return
    timer = clock.setTimer(
      () => {
        timer = undefined
        const now = clock.now()
        for (let it = waiting[first]; it && it.since + longestMs <= now; it = waiting[first]) {
          next()?.tell(false)
        }
        watch()
      },
      Math.max(0, head.since + longestMs - clock.now()),
      { unref: true },
    )
  }

  return {
    enter() {
      if (free > 0) {
        free--
        return Promise.resolve(true)
      }
      if (waiting.length - first >= line) return Promise.resolve(false)
      return new Promise((tell) => {
        waiting.push({ since: clock.now(), tell })
        watch()
      })
    },
    leave() {
      const entering = next()
      if (entering === undefined) free++
      else entering.tell(true)
    },
  }
}
