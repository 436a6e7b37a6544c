import type { SourceId } from '@corral/connection'

export interface Counting {
  readonly source: SourceId
  readonly live: { hits: number; misses: number; nearHits: number }
  counts(): { hits: number; misses: number; nearHits: number }
}

/** Something that counts as a cache does, moved by the test. */
export function counting(name = 'fleet:v1'): Counting {
  const live = { hits: 0, misses: 0, nearHits: 0 }
  return { source: { kind: 'cache', name }, live, counts: () => live }
}
