import { expect, it } from 'vitest'
import { lookDelay } from './look-delay.ts'

const busy = { leftMs: 20_000, ttlMs: 30_000, holder: 'x', handedUntil: '' }

it('who is woken looks when the lock may have lapsed', () => {
  for (let i = 0; i < 100; i++) {
    const delay = lookDelay(busy, 100, true, Infinity)
    expect(delay).toBeGreaterThan(20_000)
    expect(delay).toBeLessThan(20_030)
  }
})

it("and at most once per ttl of the lock's holder", () => {
  expect(lookDelay(busy, 100, true, 0)).toBeGreaterThan(30_000)
  expect(lookDelay({ ...busy, leftMs: 0 }, 100, true, 40_000)).toBeGreaterThan(1)
})

it('who cannot be woken polls, give or take half the delay', () => {
  const delays = Array.from({ length: 200 }, () => lookDelay(busy, 100, false, 0))
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(50)
  expect(Math.max(...delays)).toBeLessThanOrEqual(150)
  expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(50)
  expect(lookDelay(undefined, 100, true, 0)).toBeLessThanOrEqual(150)
})
