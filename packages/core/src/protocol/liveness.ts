/** The stamps an entry answers to. `namespace` is the stamp of `clear()`, 0 when there is none. */
export interface Stamps {
  readonly namespace: number
  /** The stamp of one tag, 0 when there is none. */
  tag(name: string): number
}

/**
 * Whether one stamp kills an entry. `skewUs` is 0 where entry and stamp come from one server's clock,
 * and `clockSkew` in a cluster. A stamp that the writer had seen before it loaded does not kill: this is
 * what keeps `clear(); set(k, v); get(k)` right within the skew and after a clock that stepped back.
 */
export function stampKills(stamp: number, loadedAt: number, seen: number, skewUs: number): boolean {
  return stamp > seen && stamp >= loadedAt - skewUs
}

interface Stampable {
  readonly loadedAt: number | undefined
  readonly tags: readonly string[]
  readonly seen: readonly number[]
}

/** Entries without `loadedAt` (counters, foreign ones) are never dead by a stamp; the sweep removes them. */
export function isDead(entry: Stampable, stamps: Stamps, skewUs: number): boolean {
  const { loadedAt, tags, seen } = entry
  if (loadedAt === undefined) return false
  if (stampKills(stamps.namespace, loadedAt, seen[0] ?? 0, skewUs)) return true
  for (let i = 0; i < tags.length; i++) {
    if (stampKills(stamps.tag(tags[i] as string), loadedAt, seen[i + 1] ?? 0, skewUs)) return true
  }
  return false
}

/**
 * The `seen` list for a draft, or undefined when every known stamp is older than any doubt: `nowUs` is our
 * estimate of server time, `marginUs` what it and the servers' clocks may be off together.
 */
export function seenStamps(
  stamps: Stamps,
  tags: readonly string[],
  nowUs: number,
  marginUs: number,
): number[] | undefined {
  const seen = [stamps.namespace, ...tags.map((tag) => stamps.tag(tag))]
  return seen.some((stamp) => stamp > nowUs - marginUs) ? seen : undefined
}
