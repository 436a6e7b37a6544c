import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'

const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

/** The lock of the Redis manual: SET NX PX with a random value, and a script that compares and deletes. */
export async function setNxLock(
  redis: Redis,
): Promise<(key: string, ttlMs: number) => Promise<void>> {
  const sha = String(await redis.script('LOAD', RELEASE))
  return async (key, ttlMs) => {
    const token = randomUUID()
    if ((await redis.set(key, token, 'PX', ttlMs, 'NX')) !== 'OK') {
      throw new Error('lock: a free lock was not free')
    }
    await redis.evalsha(sha, 1, key, token)
  }
}
