import type { Clock } from '@corral/connection'
import { LRUCache } from 'lru-cache'

/**
 * Tokens that the verifier refused lately, in this process alone: whoever sends made-up tokens
 * pushes out other made-up tokens, and reaches neither Redis's memory nor the near cache.
 */
export interface RejectedTokens {
  readonly size: number
  has(digest: string): boolean
  add(digest: string): void
  delete(digest: string): void
}

export function createRejectedTokens(clock: Clock, ttlMs: number, most: number): RejectedTokens {
  const ends = new LRUCache<string, number>({ max: most })
  return {
    get size() {
      return ends.size
    },
    has(digest) {
      const end = ends.get(digest)
      if (end === undefined) return false
      if (end > clock.now()) return true
      ends.delete(digest)
      return false
    },
    add(digest) {
      if (ttlMs > 0) ends.set(digest, clock.now() + ttlMs)
    },
    delete: (digest) => void ends.delete(digest),
  }
}
