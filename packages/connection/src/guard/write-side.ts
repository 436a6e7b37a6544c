import type { Clock } from '../clock.ts'
import { type CorralError, CorralError as Failure, unavailable } from '../errors.ts'
import { type Breaker, type BreakerState, createBreaker } from './breaker.ts'
import type { Effect, Flight } from './flight.ts'

/** The breaker of writes: open while Redis is full, read-only or cannot save. Reads go on. */
export interface WriteSide {
  readonly state: BreakerState
  /** Why a write would be refused at once. */
  refusal(effect: Effect): CorralError | undefined
  /** A write goes out; the first one after a pause is the trial on which the others wait. */
  sending(flight: Flight): void
  /** The server carried a write out. */
  took(flight: Flight): void
  /** The server refused a write with this error word. */
  refused(word: string): void
  reset(reason: string): void
}

export function createWriteSide(
  clock: Clock,
  config: { readonly threshold: number; readonly minimum: number; readonly openForMs: number },
  onChange: (from: BreakerState, to: BreakerState, reason: string) => void,
): WriteSide {
  const breaker: Breaker = createBreaker(config, onChange)
  let retryAt = 0
  let trial: Flight | undefined
  let full = false

  /** Deletes make room, so they are tried while Redis is full. */
  function passes(effect: Effect): boolean {
    return breaker.state === 'closed' || (full && effect === 'shrink')
  }

  return {
    get state() {
      return breaker.state
    },
    refusal(effect) {
      if (effect === 'read' || passes(effect)) return undefined
      const trialIsOut = trial !== undefined && !trial.settled
      if (!trialIsOut && clock.now() >= retryAt) return undefined
      return full
        ? new Failure('REDIS_FULL', 'Redis was full lately; writes pause')
        : unavailable('breaker-open', 'Redis took no writes lately')
    },
    sending(flight) {
      if (flight.effect === 'read' || passes(flight.effect)) return
      breaker.halfOpen('trial')
      trial = flight
    },
    took(flight) {
      if (flight !== trial) return
      trial = undefined
      full = false
      breaker.close('a write was taken')
    },
    refused(word) {
      full = word === 'OOM'
      retryAt = clock.now() + config.openForMs
      breaker.open(word)
    },
    reset(reason) {
      full = false
      trial = undefined
      breaker.close(reason)
    },
  }
}
