import type { Clock } from '@corral/connection'

/** Reads this close together are of a hot loop. */
const HOT_MS = 0.05
/** How many reads in a row one look at the clock may serve. */
const MOST_SERVED = 16

/**
 * The monotonic clock for hot paths: callers that come one after another share a look at it, for up
 * to 16 calls and never beyond the turn of the event loop. Callers that come apart get the time.
 */
export function createCoarseClock(clock: Clock): () => number {
  let time = clock.now()
  let left = 0
  let turning = false

  return () => {
    if (left > 0) {
      left--
      return time
    }
    const now = clock.now()
    if (now - time < HOT_MS) {
      left = MOST_SERVED
      if (!turning) {
        turning = true
        clock.afterIo(() => {
          turning = false
          left = 0
        })
      }
    }
    time = now
    return now
  }
}
