import { toMilliseconds, type Clock, type Duration, type TimerHandle } from '@corral/connection'

/** A clock that stands still until a test moves it. */
export interface TestClock extends Clock {
  /**
   * Lets time pass: what falls due is run in its order, with the clock at its moment, and promises
   * settle in between. A number is seconds, `'250ms'` says its unit.
   */
  advance(by: Duration): Promise<void>
}

interface Timer extends TimerHandle {
  readonly due: number
  readonly run: () => void
}

const start = Date.UTC(2025, 0, 1)

/** A turn of the event loop, in which every chain of promises comes to its end. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/**
 * Makes a clock for tests. It starts at midnight of the first of January 2025, UTC.
 */
export function createTestClock(): TestClock {
  const timers = new Set<Timer>()
  const afterIo: (() => void)[] = []
  let now = 0

  function next(until: number): Timer | undefined {
    let first: Timer | undefined
    // A Set keeps the order of insertion, so of two that are due together the older one comes first.
    for (const timer of timers) {
      if (timer.due <= until && (first === undefined || timer.due < first.due)) first = timer
    }
    return first
  }

  async function drain(): Promise<void> {
    await settle()
    while (afterIo.length > 0) {
      for (const run of afterIo.splice(0)) run()
      await settle()
    }
  }

  return {
    now: () => now,
    wallNow: () => start + now,
    setTimer(run, ms) {
      const timer: Timer = { due: now + Math.max(0, ms), run }
      timers.add(timer)
      return timer
    },
    clearTimer: (handle) => void timers.delete(handle as Timer),
    // What waits for nothing but the end of this turn must not wait for the test.
    afterIo(run) {
      afterIo.push(run)
      if (afterIo.length === 1) setImmediate(() => void drain())
    },
    async advance(by) {
      const until = now + toMilliseconds(by, 'advance')
      await drain()
      for (let timer = next(until); timer !== undefined; timer = next(until)) {
        timers.delete(timer)
        now = Math.max(now, timer.due)
        timer.run()
        await drain()
      }
      now = until
      await drain()
    },
  }
}
