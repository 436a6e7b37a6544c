/** `closed`: calls go through; `open`: refused; `half-open`: one probe is out, the rest refused. */
export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerConfig {
  /** Share of failures in the window that opens it. */
  readonly threshold: number
  /** Fewest outcomes before the share counts; as many failures in a row open it as well. */
  readonly minimum: number
}

export interface Breaker {
  readonly state: BreakerState
  /** Notes an outcome; opens when too many failed. Outcomes while not closed change nothing. */
  record(ok: boolean, reason: string): void
  /** Opens at once. */
  open(reason: string): void
  halfOpen(reason: string): void
  close(reason: string): void
}

/** How many outcomes are remembered. */
const WINDOW = 20

/**
 * A circuit breaker over the last 20 outcomes. It reads no clock: who owns it decides when to
 * probe. cockatiel's lets everybody wait for the half-open probe; here they are refused at once.
 *
 * @param onChange told of each change of state
 */
export function createBreaker(
  config: BreakerConfig,
  onChange: (from: BreakerState, to: BreakerState, reason: string) => void,
): Breaker {
  const failed = new Array<boolean>(WINDOW).fill(false)
  let state: BreakerState = 'closed'
  let next = 0
  let seen = 0
  let failures = 0
  let inARow = 0

  function become(to: BreakerState, reason: string): void {
    if (to === state) return
    const from = state
    state = to
    failed.fill(false)
    next = seen = failures = inARow = 0
    onChange(from, to, reason)
  }

  return {
    get state() {
      return state
    },
    record(ok, reason) {
      if (state !== 'closed') return
      if (failed[next]) failures--
      failed[next] = !ok
      next = (next + 1) % WINDOW
      if (seen < WINDOW) seen++
      if (ok) {
        inARow = 0
        return
      }
      failures++
      inARow++
      const enough = seen >= config.minimum && failures / seen >= config.threshold
      if (enough || inARow >= config.minimum) become('open', reason)
    },
    open: (reason) => become('open', reason),
    halfOpen: (reason) => become('half-open', reason),
    close: (reason) => become('closed', reason),
  }
}
