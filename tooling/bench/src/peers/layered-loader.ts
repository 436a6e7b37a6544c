import { RedisCache } from 'layered-loader'
import type { OpenCachePeer } from './cache-peer.ts'
import { PEER_TTL_MS } from './cache-peer.ts'

/** layered-loader 16's Redis cache (it asks for Node 22 and runs on 20). */
export const openLayeredLoader: OpenCachePeer = (_url, client) => {
  const cache = new RedisCache<unknown>(client(), {
    json: true,
    prefix: 'layered',
    ttlInMsecs: PEER_TTL_MS,
  })
  const setMany = (keys: readonly string[], values: readonly unknown[]): Promise<unknown> =>
    cache.setMany(keys.map((key, i) => ({ key, value: values[i] })))
  return Promise.resolve({
    name: 'layered-loader',
    seed: async (keys, values) => void (await setMany(keys, values)),
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value),
    getMany: (keys) => cache.getMany([...keys]),
    setMany,
    close: () => cache.close(),
  })
}
