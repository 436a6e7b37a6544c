/**
 * A 53-bit hash of a whole Redis key (cyrb53). It stands in every entry, so that a reply that belongs
 * to another key (one stray reply shifts all that follow it on a connection) is never served.
 * It guards against accidents, not against an attacker with write access to Redis.
 */
export function keyHash(redisKey: string): number {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let i = 0; i < redisKey.length; i++) {
    const unit = redisKey.charCodeAt(i)
    high = Math.imul(high ^ unit, 2654435761)
    low = Math.imul(low ^ unit, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}
