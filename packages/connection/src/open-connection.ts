import { createRequire } from 'node:module'
import type { Cluster, ClusterNode, ClusterOptions, Redis, RedisOptions } from 'ioredis'
import type { IoredisClient, IoredisCluster } from './client/ioredis-like.ts'
import { identityOf } from './client/resolve-source.ts'
import type { Connection, ConnectionOptions } from './connection.ts'
import { createConnection } from './create-connection.ts'
import { describeValue } from './duration.ts'
import { leaseGuard } from './registry.ts'

/** A cluster's start-up nodes and the options of its client. */
export interface ClusterTarget extends ClusterOptions {
  readonly cluster: readonly ClusterNode[]
}

/** Where to connect: a `redis://` or `rediss://` URL, ioredis options, or a cluster. */
export type ConnectionTarget = string | RedisOptions | ClusterTarget

/** A {@link Connection} that Corral opened and closes. */
export interface OwnedConnection extends Connection {
  /** The ioredis client, fit to be handed to BullMQ as `connection`. */
  readonly client: Redis | Cluster
}

/** A retry soon and then every second: recovery after an outage is bounded by this, not by luck. */
function retryDelay(attempt: number): number {
  return Math.min(50 * 2 ** (attempt - 1), 1000) + Math.floor(Math.random() * 50)
}

/**
 * Options under which a client can be shared by BullMQ and Corral: no limit on retries (BullMQ
 * demands it), a socket that notices silent losses, and quick reconnects.
 */
const SHARED = {
  maxRetriesPerRequest: null,
  socketTimeout: 15_000,
  maxLoadingRetryTime: 1000,
  retryStrategy: retryDelay,
} as const satisfies RedisOptions

/**
 * Opens a connection with options that are good for sharing. `close()` closes it, after the last
 * handle made on its client by `shareConnection`.
 *
 * @throws TypeError for a bad URL or options; passwords are never printed
 * @example
 * ```ts
 * import { openConnection } from '@corral/connection'
 *
 * const redis = openConnection('redis://127.0.0.1:6379')
 * await redis.get('greeting')
 * await redis.close()
 * ```
 */
export function openConnection(
  target: ConnectionTarget,
  options: ConnectionOptions = {},
): OwnedConnection {
  const client = connect(target)
  const shared = client as unknown as IoredisClient | IoredisCluster
  try {
    const lease = leaseGuard(identityOf(client), () => ({ client: shared, owned: true }), options)
    return Object.defineProperty(createConnection(lease), 'client', {
      value: client,
      enumerable: false,
    }) as OwnedConnection
  } catch (error) {
    client.disconnect()
    throw error
  }
}

function connect(target: ConnectionTarget): Redis | Cluster {
  // On demand: who only borrows connections does not pay for a second copy of ioredis.
  const load = createRequire(import.meta.url)
  if (typeof target === 'string') {
    requireUrl(target)
    const { Redis } = load('ioredis') as typeof import('ioredis')
    return new Redis(target, SHARED)
  }
  if (typeof target !== 'object' || target === null) {
    throw new TypeError(
      `target: must be a redis:// URL, ioredis options or { cluster: [...] }, received ${describeValue(target)}`,
    )
  }
  refuseKeyPrefix(target)
  if ('cluster' in target) {
    const { cluster, redisOptions, ...rest } = target
    refuseKeyPrefix(redisOptions ?? {})
    if (!Array.isArray(cluster) || cluster.length === 0) {
      throw new TypeError(
        `cluster: must be an array of at least one node, received ${shapeOf(cluster)}`,
      )
    }
    for (const node of cluster) if (typeof node === 'string') requireUrl(node)
    const { Cluster } = load('ioredis') as typeof import('ioredis')
    const { retryStrategy: _ofNodes, ...nodeOptions } = SHARED
    // ioredis's types and exactOptionalPropertyTypes disagree on options that are left out.
    const all: object = {
      clusterRetryStrategy: retryDelay,
      ...rest,
      redisOptions: { ...nodeOptions, ...redisOptions },
    }
    return new Cluster([...cluster], all)
  }
  const { Redis } = load('ioredis') as typeof import('ioredis')
  const sentinel = target.sentinels === undefined ? {} : { failoverDetector: true }
  const all: object = { ...SHARED, ...sentinel, ...target }
  const client = new Redis(all)
  if (target.sentinels !== undefined) outliveFailover(client)
  return client
}

/**
 * A failover that ioredis's detector hears of while the client is looking for the master breaks that
 * attempt off, and ioredis (5.11 and 6) then ends the client for good, as though somebody had closed
 * it. Only then does it emit this error, so a client that its user closed stays closed.
 */
function outliveFailover(client: Redis): void {
  let brokenOff = false
  client.on('error', (error: Error) => {
    brokenOff = error.message === 'Connection is closed.'
  })
  client.on('end', () => {
    if (!brokenOff) return
    brokenOff = false
    client.connect().catch(() => undefined)
  })
}

/** What it is, without a word of what it holds. */
function shapeOf(value: unknown): string {
  return Array.isArray(value) ? 'an empty array' : value === null ? 'null' : `a ${typeof value}`
}

/** Checks a URL without ever repeating it: it may hold a password. */
function requireUrl(text: string): void {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TypeError(
      "url: must look like 'redis://host:6379', received something that is no URL",
    )
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    // Without `//` what stands before the first colon may be a password.
    const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? `, received '${url.protocol}'` : ''
    throw new TypeError(`url: the scheme must be redis: or rediss:${scheme}`)
  }
  if (url.hostname === '') throw new TypeError('url: the host is missing')
  if (url.searchParams.has('keyPrefix')) refuseKeyPrefix({ keyPrefix: 'in the URL' })
}

function refuseKeyPrefix(options: object): void {
  const { keyPrefix } = options as { keyPrefix?: unknown }
  if (keyPrefix === undefined || keyPrefix === '') return
  throw new TypeError(
    "keyPrefix: BullMQ refuses it, and so does Corral; use Corral's namespace instead",
  )
}
