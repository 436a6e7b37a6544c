/** An armed timer; only good for {@link Clock.clearTimer}. */
export interface TimerHandle {
  readonly kind?: 'timer'
}

/**
 * Where Corral takes time from. Tests inject a fake one and never sleep.
 */
export interface Clock {
  /** Monotonic milliseconds with fractions; only differences mean anything. */
  now(): number
  /** Epoch milliseconds of this machine. */
  wallNow(): number
  /** Runs `fn` once after `ms`, of which 24.8 days are the most; `unref` lets the process end before. */
  setTimer(fn: () => void, ms: number, options?: { readonly unref?: boolean }): TimerHandle
  clearTimer(handle: TimerHandle): void
  /** Runs `fn` after the I/O that is already there has been read. */
  afterIo(fn: () => void): void
}

/** 24.8 days: Node runs what shall wait for longer after 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer(fn, ms, options) {
    const timer = setTimeout(fn, Math.min(ms, LONGEST_TIMER_MS))
    if (options?.unref === true) timer.unref()
    return timer as TimerHandle
  },
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
  afterIo: (fn) => void setImmediate(fn),
}
