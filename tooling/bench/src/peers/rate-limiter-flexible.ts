import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { OpenLimitPeer } from './limit-peer.ts'

/** rate-limiter-flexible 11 over ioredis, as its documentation shows; it refuses by rejecting. */
export const openRateLimiterFlexible: OpenLimitPeer = ({ calls, windowSeconds }, client) => {
  const redis = client()
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    points: calls,
    duration: windowSeconds,
    keyPrefix: 'rlflx',
  })
  return Promise.resolve({
    name: 'rate-limiter-flexible',
    async consume(key) {
      try {
        await limiter.consume(key)
        return true
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) return false
        throw refusal
      }
    },
    close: () => Promise.resolve(redis.disconnect()),
  })
}
