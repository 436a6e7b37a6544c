import type { Connection } from '@corral/connection'
import { Redis } from 'ioredis'
import type { FastifyBaseLogger } from 'fastify'
import { within } from './within.ts'

/** The one client of the service. */
export interface SharedRedis {
  readonly client: Redis
  /** Says goodbye when Redis listens and hangs up when it does not. */
  close(): Promise<void>
}

/** Opens a client that is set well for being shared by BullMQ, the cache and the locks. */
export function openRedis(url: string, log: FastifyBaseLogger): SharedRedis {
  const client = new Redis(url, {
    // A Worker demands it: its commands wait for Redis as long as it takes.
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 1000),
    maxLoadingRetryTime: 1000,
    // Notices a network that swallows packets; more than the pause of an idle Worker.
    socketTimeout: 15_000,
    // A Redis that does not answer does not say goodbye either.
    disconnectTimeout: 500,
  })
  // Every failed attempt to reconnect is an error event: tell the change, not the repetition.
  let lost = false
  client.on('error', (error: Error) => {
    if (!lost) log.warn({ reason: error.message }, 'Redis is away')
    lost = true
  })
  client.on('ready', () => {
    if (lost) log.info('Redis is back')
    lost = false
  })

  // A worker makes a second client out of this one for its blocking command. While Redis is away it
  // cannot end it itself: such a client would go on trying to connect and keep the process alive.
  // Corral makes one for its signals, a new one for each attempt, and ends them itself.
  const copies = new Set<Redis>()
  const duplicate = client.duplicate.bind(client)
  client.duplicate = (override) => {
    const copy = duplicate(override)
    copies.add(copy)
    copy.once('end', () => copies.delete(copy))
    return copy
  }

  return {
    client,
    async close() {
      const farewell = client.status === 'ready' ? client.quit().catch(() => {}) : undefined
      if (farewell === undefined || !(await within(farewell, 1000)).done) hangUp(client)
      copies.forEach(hangUp)
    },
  }
}

/**
 * Waits for Redis, so that the first requests find it; no longer than until it is clear that it is
 * away.
 */
export async function firstContact(client: Redis, connection: Connection): Promise<void> {
  if (connection.available || client.status === 'reconnecting') return
  let done = (): void => {}
  const known = new Promise<void>((resolve) => {
    done = resolve
  })
  const stop = connection.onAvailability(done)
  client.once('error', done)
  await within(known, 2000)
  client.off('error', done)
  stop()
}

/**
 * Ends a client and rejects what waits in its queue. While it pauses before its next attempt,
 * `disconnect()` alone would do neither, and BullMQ would wait for an answer for ever.
 */
function hangUp(client: Redis): void {
  if (client.status === 'reconnecting') client.connect().catch(() => {})
  client.disconnect()
}
