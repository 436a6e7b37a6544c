import type { Clock, TimerHandle } from '@corral/connection'
import type { Grant } from '../engine/replies.ts'
import { lockTimeout, type TimeoutReason } from '../errors.ts'
import type { ResolvedAcquire } from '../options.ts'

/** Somebody who wants a lock. Settles once. */
export interface Waiter {
  readonly ttlMs: number
  readonly delayMs: number
  readonly settled: boolean
  /** Starts the clock of its wait, counted from when its caller came. */
  arm(): void
  grant(grant: Grant): void
  fail(error: unknown): void
  /** What its time-out should tell instead of "others hold it". */
  note(trouble: unknown): void
}

/**
 * @param onGone called when it settles without a lock by itself: time is up, or its signal aborted
 */
export function createWaiter(
  what: string,
  clock: Clock,
  options: ResolvedAcquire,
  startedAt: number,
  resolve: (grant: Grant) => void,
  reject: (error: unknown) => void,
  onGone: (waiter: Waiter) => void,
): Waiter {
  const { ttlMs, delayMs, waitMs, signal } = options
  let timer: TimerHandle | undefined
  let settled = false
  let trouble: unknown

  function settle(): boolean {
    if (settled) return false
    settled = true
    if (timer !== undefined) clock.clearTimer(timer)
    signal?.removeEventListener('abort', onAbort)
    return true
  }

  function leave(error: unknown): void {
    if (!settle()) return
    reject(error)
    onGone(waiter)
  }

  function onAbort(): void {
    leave(signal?.reason)
  }

  function onTime(): void {
    const reason: TimeoutReason = trouble === 'late' ? 'late' : 'held'
    leave(trouble instanceof Error ? trouble : lockTimeout(what, waitMs, reason))
  }

  signal?.addEventListener('abort', onAbort)
  const waiter: Waiter = {
    ttlMs,
    delayMs,
    get settled() {
      return settled
    },
    arm() {
      if (settled || timer !== undefined) return
      timer = clock.setTimer(onTime, Math.max(0, startedAt + waitMs - clock.now()))
    },
    grant(grant) {
      if (settle()) resolve(grant)
    },
    fail(error) {
      if (settle()) reject(error)
    },
    note(problem) {
      trouble = problem
    },
  }
  return waiter
}
