import { describe, expect, it } from 'vitest'
import { refreshesEarly } from './early-refresh.ts'

/** A small generator with a seed, over 0 up to 1. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return 1 - ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

describe('refreshesEarly', () => {
  it('is certain from the end on, and never without a cost', () => {
    expect(refreshesEarly(1_000, 1_000, 5, 1, 1)).toBe(true)
    expect(refreshesEarly(999, 1_000, 0, 1, 1e-9)).toBe(false)
  })

  // The gap before the end at which a reader refreshes is exponential with mean beta * cost.
  it.each([
    [1, 50],
    [2, 50],
    [0.5, 200],
  ])('beta %d, cost %d ms: as often as the paper says, at any distance', (beta, cost) => {
    const random = createRandom(7)
    for (const distance of [10, 50, 100, 300]) {
      let early = 0
      const readers = 100_000
      for (let i = 0; i < readers; i++) {
        if (refreshesEarly(10_000 - distance, 10_000, cost, beta, random())) early++
      }
      expect(early / readers).toBeCloseTo(Math.exp(-distance / (beta * cost)), 2)
    }
  })

  /**
   * The paper's setting: readers come at a rate r, a load takes c. The number of readers who would
   * load at the same time (from the first who refreshes until its value is there) has a constant
   * expectation, about e at beta 1, where without XFetch it is r * c.
   */
  it('keeps stampedes small, whatever the rate of readers', () => {
    const random = createRandom(11)
    for (const perSecond of [100, 1_000, 10_000]) {
      const cost = 100
      const gap = 1_000 / perSecond
      let stampedes = 0
      const runs = 400
      for (let run = 0; run < runs; run++) {
        let first: number | undefined
        for (let now = -3_000; first === undefined || now < first + cost; now += gap) {
          if (!refreshesEarly(now, 0, cost, 1, random())) continue
          first ??= now
          stampedes++
        }
      }
      const mean = stampedes / runs
      expect(mean).toBeGreaterThan(1)
      expect(mean).toBeLessThan(1 + Math.E)
      expect((perSecond * cost) / 1_000).toBeGreaterThan(mean)
    }
  })
})
