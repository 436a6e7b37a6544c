/** What one request came to, as its client saw it. */
export interface Sample {
  /** When it was sent, by `performance.now()`. */
  readonly sentAt: number
  /** How long it took, in milliseconds. */
  readonly took: number
  /** HTTP status; 0 when there was no answer at all. */
  readonly status: number
  /** The `x-cache` header: an `Origin` of the reader. */
  readonly from: string
}

export function failed(sample: Sample): boolean {
  return sample.status !== 200
}

/** The value that `share` of all values do not exceed (nearest rank); `NaN` of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).toSorted()
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export function times(samples: readonly Sample[]): number[] {
  return samples.map((sample) => sample.took)
}
