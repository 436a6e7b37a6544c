import type { Clock } from '@corral/connection'
import { createChangeCounts } from '../near/change-counts.ts'

/** What was loaded while Redis was away, for a moment, to shield the source. */
export interface OutageBuffer {
  /** The entry's text behind its times. */
  readonly get: (redisKey: string) => string | undefined
  /** This moment, to be taken before a load begins. */
  readonly mark: (redisKey: string) => number
  /** Nothing is kept of a load that a change of the key, or of every key, has overtaken. */
  readonly keep: (redisKey: string, tail: string, ttlMs: number, mark: number) => void
  readonly drop: (redisKey: string) => void
  readonly clear: () => void
}

interface Kept {
  readonly tail: string
  readonly until: number
}

/** @param longestMs how long a value is kept, at most its ttl */
export function createOutageBuffer(
  clock: Clock,
  longestMs: number,
  mostEntries: number,
): OutageBuffer {
  const kept = new Map<string, Kept>()
  const changes = createChangeCounts()

  return {
    get(redisKey) {
      if (kept.size === 0) return undefined
      const entry = kept.get(redisKey)
      if (entry === undefined) return undefined
      if (entry.until > clock.now()) return entry.tail
      kept.delete(redisKey)
      return undefined
    },
    mark: changes.mark,
    keep(redisKey, tail, ttlMs, mark) {
      if (changes.changedSince(redisKey, mark)) return
      kept.delete(redisKey)
      if (kept.size >= mostEntries) {
        const oldest = kept.keys().next()
        if (oldest.done !== true) kept.delete(oldest.value)
      }
      kept.set(redisKey, { tail, until: clock.now() + Math.min(longestMs, ttlMs) })
    },
    drop(redisKey) {
      changes.note(redisKey)
      if (kept.size > 0) kept.delete(redisKey)
    },
    clear() {
      changes.noteAll()
      kept.clear()
    },
  }
}
