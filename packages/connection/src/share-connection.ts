import { identityOf, resolveSource } from './client/resolve-source.ts'
import type { Connection, ConnectionOptions } from './connection.ts'
import { type BrandedConnection, connectionBrand } from './connection-brand.ts'
import { createConnection } from './create-connection.ts'
import { leaseGuard } from './registry.ts'

/**
 * What a connection can be borrowed from: an ioredis `Redis` or `Cluster` (5.11 or 6), a BullMQ 5
 * or 6 `Queue`, `Worker`, `QueueEvents` or `FlowProducer`, a {@link Connection}, or a promise of
 * one. Told by shape, so its type says no more than "an object".
 */
export type ConnectionSource = object

/**
 * Borrows a Redis connection that others hold, usually BullMQ, and makes it safe to use beside
 * them: no call hangs, nothing enters the client's offline queue, no option of it is changed.
 * `close()` never closes it. All handles on one client share one guard.
 *
 * A QueueEvents blocks its connection; Corral then rides on a duplicate that it closes itself.
 *
 * @throws TypeError when the source is none of these, has a `keyPrefix`, or options are wrong or
 * differ from those that others gave for the same client
 * @example
 * ```ts
 * import { shareConnection } from '@corral/connection'
 * import { Queue } from 'bullmq'
 *
 * const queue = new Queue('mail', { connection: { url: 'redis://127.0.0.1:6379' } })
 * const redis = shareConnection(queue, { deadline: '200ms' })
 * await redis.set('greeting', 'hello', { ttlMs: 60_000 })
 * await redis.get('greeting') // 'hello'
 * await redis.close() // the queue's connection stays open
 * ```
 */
export function shareConnection(
  source: ConnectionSource,
  options: ConnectionOptions = {},
): Connection {
  if (connectionBrand in Object(source))
    return (source as BrandedConnection)[connectionBrand](options)
  return createConnection(leaseGuard(identityOf(source), () => resolveSource(source), options))
}
