import { otherGroup } from './group-rules.ts'

/** What is counted of one group of keys. */
export interface GroupCounts {
  /** Hits in Redis. */
  hits: number
  /** About so many hits in the near cache: one in 64 is looked at. */
  nearHits: number
  misses: number
  sets: number
  loads: number
}

/** Counts by group. However many keys there are, it holds no more than its bound. */
export interface Groups {
  add(key: string, what: keyof GroupCounts, times: number): void
  read(): Readonly<Record<string, Readonly<GroupCounts>>>
}

/** @param most names beyond so many are counted as `other` */
export function createGroups(nameOf: (key: string) => string, most: number): Groups {
  const groups = new Map<string, GroupCounts>()

  function find(name: string): GroupCounts {
    const known = groups.get(name)
    if (known !== undefined) return known
    if (name !== otherGroup && groups.size - (groups.has(otherGroup) ? 1 : 0) >= most) {
      return find(otherGroup)
    }
    const counts = { hits: 0, nearHits: 0, misses: 0, sets: 0, loads: 0 }
    groups.set(name, counts)
    return counts
  }

  return {
    add(key, what, times) {
      find(nameOf(key))[what] += times
    },
    read: () => Object.fromEntries([...groups].map(([name, counts]) => [name, { ...counts }])),
  }
}
