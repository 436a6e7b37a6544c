import { describe, expect, it } from 'vitest'
import { relativeError } from './buckets.ts'
import { createLatency, sliceMs, type LatencyFigures } from './latency.ts'

/** Deterministic, skewed as latencies are. */
function durations(count: number): number[] {
  let state = 42
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return 0.05 / (1.0005 - state / 2_147_483_648)
  })
}

function exact(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(share * values.length) - 1] as number
}

function expectClose(figures: LatencyFigures | undefined, values: readonly number[]): void {
  expect(figures?.count).toBe(values.length)
  for (const [name, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
  ] as const) {
    const wanted = exact(values, share)
    expect(Math.abs((figures?.[name] ?? 0) - wanted) / wanted).toBeLessThanOrEqual(relativeError)
  }
}

describe('latency', () => {
  it.each([1, 2, 3, 7, 100, 10_000])(
    'gives quantiles of %i durations within its error',
    (count) => {
      const latency = createLatency()
      const values = durations(count)
      for (const ms of values) latency.record(ms)
      expectClose(latency.read(60_000, 0), values)
      expect(latency.sum).toBeCloseTo(
        values.reduce((a, b) => a + b, 0),
        6,
      )
    },
  )

  it('merges the slices of a window and leaves out those before it', () => {
    const latency = createLatency()
    const all = durations(9_000)
    const perSlice = 100
    for (let slice = 1; slice <= 90; slice++) {
      for (const ms of all.slice((slice - 1) * perSlice, slice * perSlice)) latency.record(ms)
      latency.rotate(slice * sliceMs)
    }
    const now = 90 * sliceMs
    expectClose(latency.read(60_000, now), all.slice(84 * perSlice))
    expectClose(latency.read(300_000, now), all.slice(60 * perSlice))
    expectClose(latency.read(900_000, now), all)
    expect(latency.count).toBe(9_000)
  })

  it('forgets after 15 minutes, and knows the count of all time', () => {
    const latency = createLatency()
    latency.record(1)
    latency.rotate(sliceMs)
    latency.rotate(sliceMs + 15 * 60_000)
    expect(latency.read(Infinity, sliceMs + 15 * 60_000)).toBeUndefined()
    expect(latency.count).toBe(1)
  })
})
