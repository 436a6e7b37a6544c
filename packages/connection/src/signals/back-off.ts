const FIRST_MS = 25
const LONGEST_MS = 1_000

/**
 * Milliseconds to wait before attempt number `failures + 1`: doubled each time up to a second,
 * and spread, so that many processes do not come back in one moment.
 */
export function backOff(failures: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 10))
  return full * (0.5 + random() / 2)
}
