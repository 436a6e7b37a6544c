import { compilePattern, type Keyspace } from '@corral/connection'
import type { StampBook } from '../stamps/stamp-book.ts'
import type { MemoryTier } from './memory-tier.ts'

/** What takes more than one entry out of a cache without Redis; nothing of it can fail. */
export interface MemoryInvalidation {
  readonly invalidateTags: (tags: readonly string[]) => Promise<boolean>
  readonly clear: (options?: { readonly deep?: boolean }) => Promise<boolean>
  readonly deletePattern: (
    pattern: string,
  ) => Promise<{ readonly removed: number; readonly acknowledged: true }>
  readonly keys: (pattern?: string) => AsyncIterable<string>
}

export function createMemoryInvalidation(
  keyspace: Keyspace,
  tier: MemoryTier,
  book: StampBook,
): MemoryInvalidation {
  function* matching(pattern: string): Generator<string> {
    const compiled = compilePattern(keyspace, pattern)
    for (const redisKey of tier.redisKeys()) {
      if (redisKey.startsWith(keyspace.prefix) && compiled.match(redisKey) === 'yes') yield redisKey
    }
  }

  return {
    invalidateTags: (tags) => book.invalidateTags(tags),
    async clear({ deep = false } = {}) {
      await book.stampNamespace({ deep })
      const below = `${keyspace.namespace}:`
      for (const redisKey of tier.redisKeys()) {
        if (redisKey.startsWith(deep ? below : keyspace.prefix)) await tier.delete(redisKey)
      }
      return true
    },
    async deletePattern(pattern) {
      let removed = 0
      for (const redisKey of matching(pattern)) {
        if (tier.isEntry(redisKey)) removed++
        await tier.delete(redisKey)
      }
      return { removed, acknowledged: true }
    },
    async *keys(pattern = '*') {
      for (const redisKey of matching(pattern)) {
        const key = keyspace.decode(redisKey)
        if (key !== undefined && tier.isEntry(redisKey)) yield key
      }
    },
  }
}
