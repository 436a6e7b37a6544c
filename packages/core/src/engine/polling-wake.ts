import type { Clock } from '@corral/connection'
import type { Wake } from '../wake/wake.ts'

const pollMs = 10

/** Waiting without Redis: who holds a lease is in this process, and a look costs nothing. */
export function createPollingWake(clock: Clock): Wake {
  return {
    mark: () => 0,
    wait: (_redisKey, ms) =>
      new Promise((resolve) => {
        clock.setTimer(() => resolve('time'), Math.min(ms, pollMs))
      }),
    close: () => undefined,
  }
}
