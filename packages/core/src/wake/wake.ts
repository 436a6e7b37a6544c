import type { Clock, Connection, TimerHandle } from '@corral/connection'
import { createChangeCounts } from '../near/change-counts.ts'

export interface WaitOptions {
  /** {@link Wake.mark} of before Redis was asked: a change since then ends the wait at once. */
  readonly mark?: number
  /** How many times this caller has waited before for the same thing; polls slow down with it. */
  readonly attempt?: number
  readonly signal?: AbortSignal | undefined
}

/** Wakes those who wait for another process to write a key. */
export interface Wake {
  /**
   * This moment, for {@link wait}. Take it before Redis is asked what stands at the key, or a change
   * between its answer and the wait is slept through.
   */
  mark(redisKey: string): number
  /**
   * Waits until the key changes (`'changed'`: look again), but no longer than `ms` (`'time'`).
   * While signals do not tell, `'time'` comes early: 10 ms growing to 100 ms with `attempt`, and the
   * caller looks for itself. Rejects with `signal.reason`.
   */
  wait(redisKey: string, ms: number, options?: WaitOptions): Promise<'changed' | 'time'>
  close(): void
}

export interface WakeDeps {
  readonly connection: Connection
  /** `<namespace>::`. */
  readonly prefix: string
  /** From 0 to 1, for the jitter of polls. @defaultValue Math.random */
  readonly random?: () => number
}

const FIRST_POLL_MS = 10
const LONGEST_POLL_MS = 100

interface Waiter {
  wake(why: 'changed' | 'time'): void
}

/** Listens from the first wait on: a cache that never waits opens no connection for it. */
export function createWake({ connection, prefix, random = Math.random }: WakeDeps): Wake {
  const { clock } = connection
  const waiters = new Map<string, Set<Waiter>>()
  const changes = createChangeCounts()
  let unwatch: (() => void) | undefined
  let hears = false
  let closed = false

  function wakeAll(why: 'changed' | 'time'): void {
    changes.noteAll()
    for (const group of waiters.values()) for (const waiter of group) waiter.wake(why)
  }

  function listen(): void {
    unwatch ??= connection.signals.watch(prefix, {
      keys(keys) {
        for (const key of keys) {
          changes.note(key)
          const group = waiters.get(key)
          if (group !== undefined) for (const waiter of group) waiter.wake('changed')
        }
      },
      flush: () => wakeAll('changed'),
      state(state) {
        const before = hears
        hears = state === 'on'
        // Who sleeps on signals that are lost polls from now on.
        if (before && !hears) wakeAll('changed')
      },
    })
  }

  /** Jittered, so that the waiters of many processes do not ask all at once. */
  function pollMs(attempt: number): number {
    const ms = Math.min(LONGEST_POLL_MS, FIRST_POLL_MS * 2 ** Math.min(attempt, 10))
    return ms * (0.5 + random() / 2)
  }

  function enter(redisKey: string, waiter: Waiter): void {
    const group = waiters.get(redisKey)
    if (group === undefined) waiters.set(redisKey, new Set([waiter]))
    else group.add(waiter)
  }

  function leave(redisKey: string, waiter: Waiter): void {
    const group = waiters.get(redisKey)
    if (group?.delete(waiter) === true && group.size === 0) waiters.delete(redisKey)
  }

  return {
    // Nothing is counted before the first wait, which polls in any case.
    mark: changes.mark,
    wait(redisKey, ms, { mark, attempt = 0, signal } = {}) {
      if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
      if (closed) return Promise.resolve('time')
      listen()
      if (mark !== undefined && changes.changedSince(redisKey, mark)) {
        return Promise.resolve('changed')
      }
      const sleepMs = Math.max(0, hears ? ms : Math.min(ms, pollMs(attempt)))
      return sleep(clock, sleepMs, signal, (waiter) => {
        enter(redisKey, waiter)
        return () => leave(redisKey, waiter)
      })
    },
    close() {
      if (closed) return
      closed = true
      unwatch?.()
      wakeAll('time')
    },
  }
}

/** One wait: ends by its timer, its waiter or its signal, and leaves nothing behind. */
function sleep(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
  enter: (waiter: Waiter) => () => void,
): Promise<'changed' | 'time'> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clock.clearTimer(timer)
      leave()
      signal?.removeEventListener('abort', abort)
    }
    const wake = (why: 'changed' | 'time'): void => {
      end()
      resolve(why)
    }
    const abort = (): void => {
      end()
      reject(signal?.reason as Error)
    }
    const timer: TimerHandle = clock.setTimer(() => wake('time'), ms)
    const leave = enter({ wake })
    signal?.addEventListener('abort', abort)
  })
}
