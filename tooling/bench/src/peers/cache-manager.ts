import { createKeyv } from '@keyv/redis'
import { createCache } from 'cache-manager'
import { seedOneByOne, type OpenCachePeer, PEER_TTL_MS } from './cache-peer.ts'

/** cache-manager 7 over @keyv/redis 5 (node-redis). */
export const openCacheManager: OpenCachePeer = async (url) => {
  const cache = createCache({ stores: [createKeyv(url, { namespace: 'cache-manager' })] })
  const set = (key: string, value: unknown): Promise<unknown> => cache.set(key, value, PEER_TTL_MS)
  return {
    name: 'cache-manager',
    seed: (keys, values) => seedOneByOne(keys, values, set),
    get: (key) => cache.get(key),
    set,
    getMany: (keys) => cache.mget([...keys]),
    setMany: (keys, values) =>
      cache.mset(keys.map((key, i) => ({ key, value: values[i], ttl: PEER_TTL_MS }))),
    close: async () => {
      await cache.disconnect()
    },
  }
}
