/** Counts by a few labels, of which there never are more than a bound. */
export interface LabelCounts<Label extends string> {
  add(...values: readonly string[]): void
  read(): readonly (Readonly<Record<Label, string>> & { readonly count: number })[]
}

/** @param most combinations beyond so many are counted with every label `other` */
export function createLabelCounts<Label extends string>(
  labels: readonly Label[],
  most: number,
): LabelCounts<Label> {
  interface Counted {
    readonly values: readonly string[]
    count: number
  }
  const all = new Map<string, Counted>()
  const others = labels.map(() => 'other')

  function find(values: readonly string[]): Counted {
    const id = values.join('\n')
    const known = all.get(id)
    if (known !== undefined) return known
    if (all.size >= most && values !== others) return find(others)
    const counted = { values, count: 0 }
    all.set(id, counted)
    return counted
  }

  return {
    add(...values) {
      find(values).count++
    },
    read: () =>
      [...all.values()].map(({ values, count }) => {
        const named = Object.fromEntries(labels.map((label, place) => [label, values[place] ?? '']))
        return { ...(named as Record<Label, string>), count }
      }),
  }
}
