/** What Redis keeps beside strings. */
export type MemoryStructure = Map<string, string> | Set<string> | string[]

/** Where structures stand in this process's memory, by Redis key, beside entries and counters. */
export interface MemoryCells {
  /** What stands there and has not ended; text is an entry, a lease or a counter. */
  find(redisKey: string): { readonly content: string | MemoryStructure } | undefined
  put(redisKey: string, structure: MemoryStructure, ttlMs: number): void
  drop(redisKey: string): void
}
