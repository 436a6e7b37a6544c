import { type Cache, type CacheEntry, cachified, totalTtl } from '@epic-web/cachified'
import type { Redis } from 'ioredis'
import type { OpenCachePeer } from './cache-peer.ts'
import { seedOneByOne, PEER_TTL_MS } from './cache-peer.ts'

/** @epic-web/cachified 5 over ioredis, with the adapter that its documentation shows. */
export const openCachified: OpenCachePeer = (_url, client) => {
  const redis = client()
  const cache = redisAdapter(redis)
  const load = (key: string, value: unknown): Promise<unknown> =>
    cachified({ key, cache, ttl: PEER_TTL_MS, getFreshValue: () => value })
  return Promise.resolve({
    name: 'cachified',
    seed: (keys, values) => seedOneByOne(keys, values, load),
    get: (key) => load(key, undefined),
    close: () => Promise.resolve(redis.disconnect()),
  })
}

function redisAdapter(redis: Redis): Cache {
  return {
    name: 'redis',
    async get(key) {
      const text = await redis.get(`cachified:${key}`)
      return text === null ? null : (JSON.parse(text) as CacheEntry)
    },
    async set(key, entry) {
      const ttl = totalTtl(entry.metadata)
      await redis.set(`cachified:${key}`, JSON.stringify(entry), 'PX', ttl)
    },
    delete: (key) => redis.del(`cachified:${key}`),
  }
}
