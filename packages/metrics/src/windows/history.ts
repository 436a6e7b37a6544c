/** Counts as they stood at one moment. */
export interface Row<Counts> {
  /** Monotonic ms. */
  readonly at: number
  readonly counts: Counts
}

/** Counts of the last 15 minutes, a row a second. */
export interface History<Counts> {
  add(row: Row<Counts>): void
  /**
   * Where a window begins that ends at `now`: the last row that is at least `reachMs` old, or the
   * first of all.
   */
  start(reachMs: number, now: number): Row<Counts>
}

/** Rows are at least a second apart, so these reach back over 15 minutes. */
const mostRows = 15 * 60 + 2

export function createHistory<Counts>(first: Row<Counts>): History<Counts> {
  const rows: Row<Counts>[] = [first]
  /** Place of the oldest row. */
  let oldest = 0

  return {
    add(row) {
      if (rows.length < mostRows) rows.push(row)
      else {
        rows[oldest] = row
        oldest = (oldest + 1) % mostRows
      }
    },
    start(reachMs, now) {
      for (let back = rows.length - 1; back > 0; back--) {
        const row = rows[(oldest + back) % rows.length] as Row<Counts>
        if (row.at <= now - reachMs) return row
      }
      return rows[oldest] as Row<Counts>
    },
  }
}
