import { BentoCache, bentostore } from 'bentocache'
import { redisDriver } from 'bentocache/drivers/redis'
import { seedOneByOne, type OpenCachePeer, PEER_TTL_MS } from './cache-peer.ts'

/** bentocache 1 over its Redis driver, one tier. */
export const openBentocache: OpenCachePeer = (_url, client) => {
  const driver = redisDriver({ connection: client() })
  const store = bentostore().useL2Layer(driver)
  const cache = new BentoCache({ default: 'remote', stores: { remote: store } })
  const set = (key: string, value: unknown): Promise<unknown> =>
    cache.set({ key, value, ttl: PEER_TTL_MS })
  return Promise.resolve({
    name: 'bentocache',
    seed: (keys, values) => seedOneByOne(keys, values, set),
    get: (key) => cache.get({ key }),
    set,
    close: () => cache.disconnectAll(),
  })
}
