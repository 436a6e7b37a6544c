import { createCache } from 'async-cache-dedupe'
import type { OpenCachePeer } from './cache-peer.ts'
import { PEER_TTL_MS } from './cache-peer.ts'

/** async-cache-dedupe 3 over its Redis storage. Values come only from a loader, so it has no `set`. */
export const openAsyncCacheDedupe: OpenCachePeer = (_url, client) => {
  const source = new Map<string, unknown>()
  const redis = client()
  const cache = createCache({
    ttl: PEER_TTL_MS / 1000,
    storage: { type: 'redis', options: { client: redis } },
  }).define('fetch', (key: string) => Promise.resolve(source.get(key)))
  const get = (key: string): Promise<unknown> => cache.fetch(key)
  return Promise.resolve({
    name: 'async-cache-dedupe',
    async seed(keys, values) {
      for (const [index, key] of keys.entries()) source.set(key, values[index])
      await Promise.all(keys.map(get))
      // From here on Redis must answer.
      source.clear()
    },
    get,
    close: () => Promise.resolve(redis.disconnect()),
  })
}
