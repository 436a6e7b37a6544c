import { describe, expect, it } from 'vitest'
import type { Clock } from '../clock.ts'
import { createLinkTimer } from './link-timer.ts'

/** A clock whose timers fire when the test says so, however late. */
function lateClock() {
  let now = 0
  let timer: { readonly fn: () => void; readonly due: number; readonly unref: boolean } | undefined
  const afterIo: (() => void)[] = []
  const clock: Clock = {
    now: () => now,
    wallNow: () => now,
    setTimer(fn, ms, options) {
      timer = { fn, due: now + ms, unref: options?.unref === true }
      return {}
    },
    clearTimer: () => (timer = undefined),
    afterIo: (fn) => void afterIo.push(fn),
  }
  return {
    clock,
    armed: () => timer,
    /** Fires the timer `late` milliseconds after it was due. */
    fire(late: number): void {
      const fired = timer
      if (fired === undefined) throw new Error('no timer is set')
      timer = undefined
      now = fired.due + late
      fired.fn()
    },
    /** Reads what is there, then runs what waited for that. */
    turn(read?: () => void): void {
      read?.()
      for (const fn of afterIo.splice(0)) fn()
    },
    pass: (ms: number) => void (now += ms),
  }
}

describe('createLinkTimer', () => {
  function start() {
    const world = lateClock()
    let received = 0
    let late = 0
    const timer = createLinkTimer(world.clock, () => received)
    timer.expect(200, () => (late += 1))
    return { ...world, timer, receive: () => void (received += 1), late: () => late }
  }

  it('is late when nothing comes, after pending input had its turn', () => {
    const { fire, turn, late, armed } = start()
    expect(armed()?.unref).toBe(true)
    fire(1)
    expect(late()).toBe(0)
    turn()
    expect(late()).toBe(1)
    expect(armed()).toBeUndefined()
  })

  it('is not late when the answer was only waiting to be read', () => {
    const { fire, turn, timer, late } = start()
    fire(1)
    turn(() => timer.clear())
    turn()
    expect(late()).toBe(0)
  })

  it('begins anew once when the timer itself was late: the loop stood still', () => {
    const { fire, turn, late, armed } = start()
    fire(3_000)
    turn()
    expect(late()).toBe(0)
    expect(armed()?.due).toBe(3_200 + 200)
    fire(3_000)
    turn()
    expect(late()).toBe(1)
  })

  it('waits while a backlog is being read, but not for ever', () => {
    const { fire, turn, receive, late, pass } = start()
    fire(1)
    for (let n = 0; n < 10; n += 1) turn(receive)
    expect(late()).toBe(0)
    pass(200)
    turn(receive)
    expect(late()).toBe(1)
  })

  it('forgets what it waited for when it is set anew', () => {
    const { fire, turn, timer, late } = start()
    let other = 0
    fire(1)
    timer.after(50, () => (other += 1))
    turn()
    fire(0)
    expect([late(), other]).toEqual([0, 1])
  })
})
