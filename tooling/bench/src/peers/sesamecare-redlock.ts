import { Redlock } from '@sesamecare-oss/redlock'
import type { OpenLockPeer } from './lock-peer.ts'

/** The maintained fork of redlock, on one ioredis client. */
export const openSesamecareRedlock: OpenLockPeer = (
  client,
  retry = { delayMs: 200, jitterMs: 100 },
) => {
  const redis = client()
  const locks = new Redlock([redis], {
    retryCount: -1,
    retryDelay: retry.delayMs,
    retryJitter: retry.jitterMs,
  })
  return Promise.resolve({
    name: 'sesamecare redlock',
    async acquire(name, ttlMs) {
      const lock = await locks.acquire([name], ttlMs)
      return async () => {
        await lock.release()
      }
    },
    close: () => Promise.resolve(redis.disconnect()),
  })
}
