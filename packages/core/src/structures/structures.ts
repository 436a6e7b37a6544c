import { openHash, type CachedHash } from './hash.ts'
import { openList, type CachedList } from './list.ts'
import { openSet, type CachedSet } from './set.ts'
import type { StructureDeps, StructureOptions } from './structure-access.ts'

/** Opens the structures of one cache. */
export interface Structures {
  asHash<T = unknown>(key: string, options?: StructureOptions): CachedHash<T>
  asList<T = unknown>(key: string, options?: StructureOptions): CachedList<T>
  asSet<T = unknown>(key: string, options?: StructureOptions): CachedSet<T>
}

export function createStructures(deps: StructureDeps): Structures {
  return {
    asHash: (key, options) => openHash(deps, key, options),
    asList: (key, options) => openList(deps, key, options),
    asSet: (key, options) => openSet(deps, key, options),
  }
}
