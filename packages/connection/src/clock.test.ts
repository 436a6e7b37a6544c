import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from './clock.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

it.each([2 ** 31, 60 * 86_400_000, Infinity])(
  'a timer of %d ms, longer than Node can wait, does not run at once',
  (ms) => {
    let ran = 0
    systemClock.setTimer(() => ran++, ms)
    vi.advanceTimersByTime(20 * 86_400_000)
    expect(ran).toBe(0)
  },
)
