import { describe, expect, it } from 'vitest'
import { bucketCount, bucketMiddle, bucketOf, relativeError } from './buckets.ts'

describe('buckets', () => {
  it('tell every duration from 61 ns to 131 s within 1/128', () => {
    let worst = 0
    for (let ms = 0.000_062; ms < 131_000; ms *= 1.0007) {
      worst = Math.max(worst, Math.abs(bucketMiddle(bucketOf(ms)) - ms) / ms)
    }
    expect(relativeError).toBe(1 / 128)
    expect(worst).toBeLessThanOrEqual(relativeError)
    // As good as it says, no better: a finer grid would waste memory.
    expect(worst).toBeGreaterThan(relativeError * 0.9)
  })

  it('keep the order of durations', () => {
    let last = 0
    for (let ms = 0.000_05; ms < 200_000; ms *= 1.001) {
      const bucket = bucketOf(ms)
      expect(bucket).toBeGreaterThanOrEqual(last)
      last = bucket
    }
    expect(last).toBe(bucketCount - 1)
  })

  it.each([0, -1, -0, Number.NaN, 1e-9, -Infinity])('take %s for the shortest', (ms) => {
    expect(bucketOf(ms)).toBe(0)
  })

  it.each([131_072, 1e9, Infinity, Number.MAX_VALUE])('take %s for the longest', (ms) => {
    expect(bucketOf(ms)).toBe(bucketCount - 1)
  })
})
