import { createKeyv } from '@keyv/redis'
import { Cacheable } from 'cacheable'
import { seedOneByOne, type OpenCachePeer, PEER_TTL_MS } from './cache-peer.ts'

/**
 * cacheable 2 over @keyv/redis 5 (node-redis). Without its memory tier it cannot be: the Redis
 * store stands where the memory one does.
 */
export const openCacheable: OpenCachePeer = async (url) => {
  const store = createKeyv(url, { namespace: 'cacheable' })
  const cache = new Cacheable({ primary: store, ttl: PEER_TTL_MS })
  const set = (key: string, value: unknown): Promise<unknown> => cache.set(key, value, PEER_TTL_MS)
  return {
    name: 'cacheable',
    seed: (keys, values) => seedOneByOne(keys, values, set),
    get: (key) => cache.get(key),
    set,
    getMany: (keys) => cache.getMany([...keys]),
    setMany: (keys, values) =>
      cache.setMany(keys.map((key, i) => ({ key, value: values[i], ttl: PEER_TTL_MS }))),
    close: () => cache.disconnect(),
  }
}
