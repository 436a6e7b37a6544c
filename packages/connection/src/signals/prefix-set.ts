/** Prefixes of which none begins another, so that a key has at most one. */
export interface PrefixSet<Value> {
  readonly size: number
  get(prefix: string): Value | undefined
  /** @throws TypeError when the prefix is empty or overlaps another */
  add(prefix: string, value: Value): void
  delete(prefix: string): void
  /** What was added for the prefix that `key` starts with. */
  of(key: string): Value | undefined
  prefixes(): string[]
  values(): Iterable<Value>
}

export function createPrefixSet<Value>(): PrefixSet<Value> {
  const values = new Map<string, Value>()
  // In order of UTF-16 units: as none begins another, the last one that is not behind a key is the
  // only one that it can start with.
  let sorted: string[] = []

  const candidate = (key: string): string | undefined => {
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sorted[middle] as string) <= key) low = middle + 1
      else high = middle
    }
    return sorted[low - 1]
  }

  return {
    get size() {
      return values.size
    },
    get: (prefix) => values.get(prefix),
    add(prefix, value) {
      if (prefix === '') throw new TypeError('prefix: must not be empty, received ""')
      const other = sorted.find((each) => each.startsWith(prefix) || prefix.startsWith(each))
      if (other !== undefined) {
        throw new TypeError(
          `prefix: must not overlap another one in force (${JSON.stringify(other)}), ` +
            `received ${JSON.stringify(prefix)}`,
        )
      }
      values.set(prefix, value)
      sorted = [...values.keys()].toSorted()
    },
    delete(prefix) {
      if (values.delete(prefix)) sorted = [...values.keys()].toSorted()
    },
    of(key) {
      const prefix = candidate(key)
      return prefix !== undefined && key.startsWith(prefix) ? values.get(prefix) : undefined
    },
    prefixes: () => [...sorted],
    values: () => values.values(),
  }
}
