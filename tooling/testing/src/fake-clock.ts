/** Opaque to its users: what `setTimer` returns and `clearTimer` takes. */
export interface FakeTimerHandle {
  readonly kind?: 'timer'
}

/** The clock of @corral/connection (told by its shape, not imported), moved by a test. */
export interface FakeClock {
  /** Monotonic milliseconds, from 0 when the clock is made. */
  now(): number
  /** Epoch milliseconds. */
  wallNow(): number
  setTimer(fn: () => void, ms: number, options?: { readonly unref?: boolean }): FakeTimerHandle
  clearTimer(handle: FakeTimerHandle): void
  /** Runs `fn` with the next `advance`, `advance(0)` included. */
  afterIo(fn: () => void): void
  /**
   * Lets `ms` milliseconds pass: runs what falls due in order of time (then of setting), with the
   * clock standing at its due time, and lets promises settle in between, so that what they set is
   * run too if it is due.
   */
  advance(ms: number): Promise<void>
  /** Moves the wall clock alone, as an administrator or NTP does. */
  jumpWall(ms: number): void
  /** How many timers are set. */
  pendingTimers(): number
}

interface Timer extends FakeTimerHandle {
  due: number
  order: number
  fn: () => void
}

/** `startMs` is the epoch time at which it starts; 2025-01-01 unless told. */
export function fakeClock(startMs: number = Date.UTC(2025, 0, 1)): FakeClock {
  const timers = new Set<Timer>()
  const immediates: (() => void)[] = []
  let now = 0
  let wallOffset = startMs
  let order = 0

  const next = (until: number): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers) {
      if (timer.due > until) continue
      if (
        first === undefined ||
        timer.due < first.due ||
        (timer.due === first.due && timer.order < first.order)
      ) {
        first = timer
      }
    }
    return first
  }
  const runImmediates = async (): Promise<void> => {
    await settle()
    while (immediates.length > 0) {
      for (const fn of immediates.splice(0)) fn()
      await settle()
    }
  }

  return {
    now: () => now,
    wallNow: () => wallOffset + now,
    setTimer(fn, ms) {
      const timer: Timer = { due: now + Math.max(0, ms), order: order++, fn }
      timers.add(timer)
      return timer
    },
    clearTimer: (handle) => void timers.delete(handle as Timer),
    afterIo: (fn) => void immediates.push(fn),
    async advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`advance: ms must be >= 0, received ${ms}`)
      const until = now + ms
      await runImmediates()
      for (;;) {
        const timer = next(until)
        if (timer === undefined) break
        timers.delete(timer)
        now = Math.max(now, timer.due)
        timer.fn()
        await runImmediates()
      }
      now = Math.max(now, until)
    },
    jumpWall: (ms) => void (wallOffset += ms),
    pendingTimers: () => timers.size,
  }
}

// A turn of the real event loop lets every promise callback run, however long their chains are.
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
