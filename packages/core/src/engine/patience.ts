import type { TimerHandle } from '@corral/connection'
import { loadTimeout } from '../errors.ts'
import type { Policy } from '../policy.ts'
import type { Parts } from './parts.ts'
import type { Flight } from './single-flight.ts'

/**
 * Waits for a flight as long as this caller's options say: until its signal aborts, until a stale
 * value will do (`softTimeout`), or no longer than `hardTimeout`. Time counts from where the load
 * begins. Who only runs out of time leaves the load going, for those who come later.
 */
export function waitFor(
  { clock, counters, flights }: Parts,
  key: string,
  redisKey: string,
  flight: Flight,
  policy: Policy,
): Promise<unknown> {
  const { signal, softMs, hardMs } = policy
  const timed = softMs !== Infinity || hardMs !== Infinity
  if (signal === undefined) {
    flight.callers = Infinity
    if (!timed) return policy.fallback === undefined ? flight.result : flight.result.catch(instead)
  } else flight.callers += 1

  /** Nothing stands in for Redis under `onError: 'throw'`, nor for a call that was given up. */
  function instead(error: unknown): unknown {
    if (flight.abandoned !== undefined || !flight.loading) throw error
    return fallbackOf(policy, error)
  }

  return new Promise((resolve, reject) => {
    let timers: TimerHandle[] = []
    let over = false
    const end = (): boolean => {
      if (over) return false
      over = true
      for (const timer of timers) clock.clearTimer(timer)
      timers = []
      signal?.removeEventListener('abort', onAbort)
      return true
    }
    const onAbort = (): void => {
      if (!end()) return
      flights.leave(redisKey, flight, signal?.reason)
      reject(signal?.reason as Error)
    }
    const giveStale = (): boolean => {
      if (flight.stale === undefined || !end()) return false
      // The load goes on without this caller.
      flight.callers = Infinity
      counters.staleServed++
      resolve(flight.stale.value)
      return true
    }
    const giveUp = (): void => {
      if (giveStale() || !end()) return
      flight.callers = Infinity
      try {
        resolve(fallbackOf(policy, loadTimeout(key, hardMs)))
      } catch (error) {
        reject(error)
      }
    }
    const begin = (): void => {
      if (over) return
      if (softMs !== Infinity) timers.push(clock.setTimer(() => void giveStale(), softMs))
      if (hardMs !== Infinity) timers.push(clock.setTimer(giveUp, hardMs))
    }

    signal?.addEventListener('abort', onAbort, { once: true })
    if (timed) {
      if (flight.loading) begin()
      else (flight.impatient ??= []).push(begin)
    }
    // Also where this caller has left: a late failure must not go unhandled.
    flight.result.then(
      (value) => {
        if (end()) resolve(value)
      },
      (error: unknown) => {
        if (!end()) return
        try {
          resolve(instead(error))
        } catch (failure) {
          reject(failure)
        }
      },
    )
  })
}

/**
 * What the caller gets in the place of a value.
 *
 * @throws `error` itself where no fallback is given, or what the fallback throws
 */
export function fallbackOf({ fallback }: Policy, error: unknown): unknown {
  if (fallback === undefined) throw error
  return typeof fallback === 'function'
    ? (fallback as (error: unknown) => unknown)(error)
    : fallback
}
