import type { Clock, TimerHandle } from '../clock.ts'

/** The single timer of a signal connection. Setting it anew replaces what it was set to. */
export interface LinkTimer {
  /** Runs `fn` after `ms`. */
  after(ms: number, fn: () => void): void
  /** Runs `onLate` unless {@link clear} or another setting comes within `ms`. */
  expect(ms: number, onLate: () => void): void
  clear(): void
}

/**
 * A stalled event loop is not a silent server: a deadline that fires late by its own timer is
 * given once more, and one that fires lets pending input be read first, for as long as that brings
 * something (at most `ms` longer).
 *
 * @param progress a number that grows with everything received
 */
export function createLinkTimer(clock: Clock, progress: () => number): LinkTimer {
  let timer: TimerHandle | undefined
  // Tells a callback that was already under way that the timer has been set anew.
  let setting = 0

  const set = (ms: number, fn: () => void): void => {
    if (timer !== undefined) clock.clearTimer(timer)
    setting += 1
    timer = clock.setTimer(
      () => {
        timer = undefined
        fn()
      },
      ms,
      { unref: true },
    )
  }

  const lookAgain = (mine: number, until: number, onLate: () => void): void => {
    const seen = progress()
    clock.afterIo(() => {
      if (mine !== setting) return
      if (progress() !== seen && clock.now() < until) lookAgain(mine, until, onLate)
      else onLate()
    })
  }

  const expect = (ms: number, onLate: () => void, again: boolean): void => {
    const due = clock.now() + ms
    set(ms, () => {
      const late = clock.now() - due
      if (again && late > Math.max(20, ms / 4)) expect(ms, onLate, false)
      else lookAgain(setting, clock.now() + ms, onLate)
    })
  }

  return {
    after: set,
    expect: (ms, onLate) => expect(ms, onLate, true),
    clear() {
      setting += 1
      if (timer !== undefined) clock.clearTimer(timer)
      timer = undefined
    },
  }
}
