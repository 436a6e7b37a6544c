import { expect } from 'vitest'
import { type LatencyFigures, relativeError } from '../src/index.ts'

/** Fails unless figures are those of these durations, within the error that is documented. */
export function expectQuantiles(
  figures: LatencyFigures | undefined,
  durations: readonly number[],
): void {
  const sorted = durations.toSorted((a, b) => a - b)
  expect(figures?.count).toBe(sorted.length)
  for (const [name, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
  ] as const) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
    const off = Math.abs((figures?.[name] ?? Number.NaN) - exact) / exact
    expect([name, off <= relativeError]).toEqual([name, true])
  }
}

/** What messages say that something took. */
export function durationsOf(messages: readonly unknown[]): number[] {
  return (messages as { duration?: number; waited?: number }[]).map(
    ({ duration, waited }) => duration ?? waited ?? Number.NaN,
  )
}
