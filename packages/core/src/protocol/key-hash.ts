import type { Keyspace } from '@corral/connection'

const [SEED_HIGH, SEED_LOW] = [0xdeadbeef, 0x41c6ce57]
const [PRIME_HIGH, PRIME_LOW] = [2654435761, 1597334677]

/**
 * A 53-bit hash of a whole Redis key (cyrb53). It stands in every entry, so that a reply that belongs
 * to another key (one stray reply shifts all that follow it on a connection) is never served.
 * It guards against accidents, not against an attacker with write access to Redis.
 */
export function keyHash(redisKey: string): number {
  return hashOn(SEED_HIGH, SEED_LOW, redisKey)
}

/** {@link keyHash} of keys that all begin with `prefix`, from the rest of each. */
export function keyHashBehind(prefix: string): (rest: string) => number {
  let high = SEED_HIGH
  let low = SEED_LOW
  for (let i = 0; i < prefix.length; i++) {
    high = Math.imul(high ^ prefix.charCodeAt(i), PRIME_HIGH)
    low = Math.imul(low ^ prefix.charCodeAt(i), PRIME_LOW)
  }
  return (rest) => hashOn(high, low, rest)
}

/**
 * {@link keyHash} for the readers of one keyspace: from the caller's own key, which is shorter than the
 * Redis key. Where encoding changed it the hash is no entry's, and entries take a closer look; only a
 * key with `%` could look like what another one became.
 */
export function keyHashIn({
  prefix,
  sanitize,
}: Pick<Keyspace, 'prefix' | 'sanitize'>): (key: string, redisKey: string) => number {
  if (sanitize !== 'encode') return (_, redisKey) => keyHash(redisKey)
  const behind = keyHashBehind(prefix)
  return (key, redisKey) => (key.includes('%') ? keyHash(redisKey) : behind(key))
}

function hashOn(seedHigh: number, seedLow: number, text: string): number {
  let high = seedHigh
  let low = seedLow
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    high = Math.imul(high ^ unit, PRIME_HIGH)
    low = Math.imul(low ^ unit, PRIME_LOW)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}
