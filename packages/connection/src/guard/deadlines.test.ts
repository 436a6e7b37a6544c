import { type FakeClock, fakeClock } from '@corral/testing'
import { expect, it } from 'vitest'
import type { Clock } from '../clock.ts'
import { createDeadlines, type Expirable } from './deadlines.ts'

function setUp(clock: FakeClock = fakeClock()) {
  const deadlines = createDeadlines(clock)
  const expired: string[] = []
  const add = (name: string, durationMs: number): Expirable => {
    const item: Expirable = {
      deadlineAt: clock.now() + durationMs,
      settled: false,
      expire: () => expired.push(`${name} at ${clock.now()}`),
    }
    deadlines.add(item, durationMs)
    return item
  }
  return { clock, deadlines, expired, add }
}

it('keeps every deadline with one timer', async () => {
  const { clock, expired, add } = setUp()
  add('slow', 500)
  for (let i = 0; i < 100; i++) add(`quick ${i}`, 100)
  expect(clock.pendingTimers()).toBe(1)
  await clock.advance(50)
  add('later', 100)
  expect(clock.pendingTimers()).toBe(1)
  await clock.advance(50)
  expect(expired).toHaveLength(100)
  await clock.advance(1_000)
  expect(expired.slice(100)).toEqual(['later at 150', 'slow at 500'])
  expect(clock.pendingTimers()).toBe(0)
})

it('leaves settled items alone', async () => {
  const { clock, deadlines, expired, add } = setUp()
  const [first, second] = [add('first', 100), add('second', 100)]
  second.settled = true
  deadlines.prune(100)
  first.settled = true
  deadlines.prune(100)
  await clock.advance(200)
  expect(expired).toEqual([])
})

it('holds no timer for a long deadline that is settled', () => {
  const { clock, deadlines, add } = setUp()
  const [long, other] = [add('long', 30_000), add('other', 20_000)]
  long.settled = true
  deadlines.prune(30_000)
  expect(clock.pendingTimers()).toBe(1)
  other.settled = true
  deadlines.prune(20_000)
  expect(clock.pendingTimers()).toBe(0)
  add('next', 100)
  expect(clock.pendingTimers()).toBe(1)
})

/** A clock whose event loop can be held up: time passes, and nothing runs meanwhile. */
function stallingClock() {
  let now = 0
  let due: { at: number; fn: () => void } | undefined
  const afterIo: (() => void)[] = []
  const clock: Clock = {
    now: () => now,
    wallNow: () => now,
    setTimer(fn, ms) {
      due = { at: now + ms, fn }
      return {}
    },
    clearTimer: () => (due = undefined),
    afterIo: (fn) => void afterIo.push(fn),
  }
  return {
    clock,
    stall: (ms: number) => (now += ms),
    /** One turn of the event loop: timers, then I/O, then what waited for I/O. */
    turn(io: () => void = () => undefined) {
      if (due !== undefined && due.at <= now) {
        const { fn } = due
        due = undefined
        fn()
      }
      io()
      for (const fn of afterIo.splice(0)) fn()
    },
  }
}

it.each([1, 2])('lets replies be read that came during a stall, in turn %i after it', (turn) => {
  const loop = stallingClock()
  const deadlines = createDeadlines(loop.clock)
  let late = 0
  const item: Expirable = { deadlineAt: 100, settled: false, expire: () => late++ }
  deadlines.add(item, 100)
  loop.stall(400)
  for (let i = 1; i <= 5; i++) loop.turn(() => (item.settled ||= i === turn))
  expect(late).toBe(0)
})

it('lets replies be read when the stall comes between the timer and the check', () => {
  const loop = stallingClock()
  const deadlines = createDeadlines(loop.clock)
  let late = 0
  const items = [100, 150].map((deadlineAt): Expirable => {
    return { deadlineAt, settled: false, expire: () => late++ }
  })
  for (const item of items) deadlines.add(item, 100)
  loop.stall(100)
  loop.turn(() => loop.stall(300))
  loop.turn(() => (items[1]!.settled = true))
  for (let i = 0; i < 5; i++) loop.turn()
  expect(late).toBe(1)
})

it('gives up in the end, however busy the loop is', () => {
  const loop = stallingClock()
  const deadlines = createDeadlines(loop.clock)
  let late = 0
  deadlines.add({ deadlineAt: 100, settled: false, expire: () => late++ }, 100)
  for (let i = 0; i < 5; i++) {
    loop.stall(100)
    loop.turn()
  }
  expect(late).toBe(1)
})
