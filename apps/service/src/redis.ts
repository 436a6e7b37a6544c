import { Redis } from 'ioredis'
import type { FastifyBaseLogger } from 'fastify'
import { within } from './within.ts'

/** The one client of the service, set well for being shared by BullMQ and the cache. */
export function openRedis(url: string, log: FastifyBaseLogger): Redis {
  const redis = new Redis(url, {
    // A Worker demands it: its commands wait for Redis as long as it takes.
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 1000),
    maxLoadingRetryTime: 1000,
    // Notices a network that swallows packets; more than the pause of an idle Worker.
    socketTimeout: 15_000,
  })
  // Every failed attempt to reconnect is an error event: tell the change, not the repetition.
  let lost = false
  redis.on('error', (error: Error) => {
    if (!lost) log.warn({ reason: error.message }, 'Redis is away')
    lost = true
  })
  redis.on('ready', () => {
    if (lost) log.info('Redis is back')
    lost = false
  })
  return redis
}

/** Says goodbye when Redis listens and hangs up when it does not. */
export async function closeRedis(redis: Redis): Promise<void> {
  if (redis.status === 'ready') {
    const farewell = redis.quit().catch(() => {})
    if ((await within(farewell, 1000)).done) return
  }
  redis.disconnect()
}
