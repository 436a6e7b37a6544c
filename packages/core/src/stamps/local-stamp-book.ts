import type { Clock } from '@corral/connection'
import { isDead, seenStamps, type Stamps } from '../protocol/liveness.ts'
import { baseStampKeys, deepStampKey, stampKeyOfTag } from './stamp-keys.ts'
import type { StampBook } from './stamp-book.ts'

/** Most tags whose stamps are kept; the oldest then count for all that are not. */
const MOST_TAGS = 100_000
/** How far back a stamp is written into entries: the wall clock counts whole milliseconds. */
const DOUBT_US = 1_000_000

/** The stamps of a cache without Redis; a child's book shares them with its parent's. */
export interface LocalStamps {
  readonly values: Map<string, number>
  /** What stamps that had to be forgotten were at most. */
  forgotten: number
  /** Counts every change. */
  version: number
}

export function createLocalStamps(): LocalStamps {
  return { values: new Map(), forgotten: 0, version: 0 }
}

/** The {@link StampBook} of a cache that lives in this process alone: everything is known at once. */
export function createLocalStampBook(
  namespace: string,
  clock: Clock,
  stamps: LocalStamps = createLocalStamps(),
): StampBook {
  const baseKeys = baseStampKeys(namespace)
  const { values } = stamps
  const known: Stamps = {
    get namespace() {
      let stamp = 0
      for (const key of baseKeys) stamp = Math.max(stamp, values.get(key) ?? 0)
      return stamp
    },
    tag: (name) => values.get(stampKeyOfTag(namespace, name)) ?? stamps.forgotten,
  }

  function forgetOldest(): void {
    for (const [key, stamp] of values) {
      // Only stamps of tags: those of namespaces are few, and kill what has no tag.
      if (!key.includes('}:')) continue
      values.delete(key)
      stamps.forgotten = Math.max(stamps.forgotten, stamp)
      return
    }
  }

  function stamp(key: string): number {
    const at = Math.round(clock.wallNow() * 1000)
    const next = Math.max((values.get(key) ?? stamps.forgotten) + 1, known.namespace + 1, at)
    // Again at the end of the order, so that the first one is the oldest.
    values.delete(key)
    values.set(key, next)
    stamps.version++
    if (values.size > MOST_TAGS) forgetOldest()
    return next
  }

  return {
    verdict: (entry) => (isDead(entry, known, 0) ? 'dead' : 'alive'),
    baseKnown: true,
    get base() {
      return known.namespace
    },
    epoch: stamps,
    learnBase: () => Promise.resolve(),
    learn: () => Promise.resolve(),
    seen: (tags) => seenStamps(known, tags, clock.wallNow() * 1000, DOUBT_US),
    noteTtl: () => {},
    async invalidateTags(tags) {
      for (const tag of tags) stamp(stampKeyOfTag(namespace, tag))
      return true
    },
    stampNamespace: async ({ deep = false } = {}) =>
      stamp(deep ? deepStampKey(namespace) : (baseKeys[0] as string)),
    holdNamespace: () => {},
    holdTags: () => {},
    lastError: undefined,
    close: () => {},
  }
}
