/** A figure measured once per round: its median, and how far the rounds lie apart. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** @throws RangeError without any round, since a made-up figure would pass for a measured one */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const least = sorted[0]
  const most = sorted.at(-1)
  if (least === undefined || most === undefined) throw new RangeError('spreadOf: no values')
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? least
  const lower = sorted.length % 2 === 0 ? (sorted[middle - 1] ?? upper) : upper
  return { median: (lower + upper) / 2, least, most }
}
