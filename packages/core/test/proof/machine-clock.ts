/** Microseconds on the clock that all processes of this machine share. */
export function micros(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

export function percentile(values: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(values).toSorted()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Resolves when everything that has arrived at this process has been read. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}
