import Redlock from 'redlock'
import type { OpenLockPeer } from './lock-peer.ts'

/** redlock 5 on one ioredis client. Its default is to look again after 200 ms, give or take 100. */
export const openRedlock: OpenLockPeer = (client, retry = { delayMs: 200, jitterMs: 100 }) => {
  const redis = client()
  const locks = new Redlock([redis], {
    retryCount: -1,
    retryDelay: retry.delayMs,
    retryJitter: retry.jitterMs,
  })
  return Promise.resolve({
    name: 'redlock',
    async acquire(name, ttlMs) {
      const lock = await locks.acquire([name], ttlMs)
      return async () => {
        await lock.release()
      }
    },
    close: () => Promise.resolve(redis.disconnect()),
  })
}
