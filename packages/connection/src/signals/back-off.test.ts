import { expect, it } from 'vitest'
import { backOff } from './back-off.ts'

it('doubles up to a second, spread over the upper half', () => {
  const longest = Array.from({ length: 40 }, (_, failures) => backOff(failures, () => 1))
  expect(longest.slice(0, 7)).toEqual([25, 50, 100, 200, 400, 800, 1_000])
  expect(Math.max(...longest)).toBe(1_000)
  expect(backOff(3, () => 0)).toBe(100)
})
