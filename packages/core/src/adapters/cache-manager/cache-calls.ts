import type { Cache } from '../../cache.ts'
import type { LoadContext } from '../../engine/load.ts'
import type { Ttl } from '../../entry/ttl.ts'

/** What `asCacheManager` calls of a cache; a `Cache` of `createCache` has it all. */
export interface CacheCalls extends Pick<
  Cache,
  'get' | 'getMany' | 'has' | 'ttl' | 'set' | 'setMany' | 'delete' | 'deleteMany' | 'close'
> {
  getOrSet<T>(
    key: string,
    load: (context: LoadContext) => T | Promise<T>,
    options?: { readonly ttl?: Ttl; readonly forceFresh?: boolean },
  ): Promise<unknown>
  clear(): Promise<unknown>
}
