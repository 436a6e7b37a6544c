import type { Redis } from 'ioredis'
import { openAsyncCacheDedupe } from './async-cache-dedupe.ts'
import { openBentocache } from './bentocache.ts'
import { openCacheManager } from './cache-manager.ts'
import type { CachePeer } from './cache-peer.ts'
import { openCacheable } from './cacheable.ts'
import { openCachified } from './cachified.ts'
import { openLayeredLoader } from './layered-loader.ts'

const cachePeers = [
  openBentocache,
  openCacheable,
  openCacheManager,
  openLayeredLoader,
  openAsyncCacheDedupe,
  openCachified,
] as const

/** All cache libraries, each on a client of its own. */
export function openCachePeers(url: string, client: () => Redis): Promise<CachePeer[]> {
  return Promise.all(cachePeers.map((open) => open(url, client)))
}
