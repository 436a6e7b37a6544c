import { connectionClient } from '../connection-brand.ts'
import { type IoredisClient, type IoredisCluster, isIoredis } from './ioredis-like.ts'

/** A client, and whether Corral made it (and so must close it). */
export interface ResolvedClient {
  readonly client: IoredisClient | IoredisCluster
  readonly owned: boolean
}

const ACCEPTED =
  'an ioredis Redis or Cluster, a BullMQ Queue, Worker, QueueEvents or FlowProducer, a Connection, or a promise of one'

/**
 * Finds the ioredis client in whatever the caller holds, told by shape.
 *
 * @throws TypeError when there is none, saying what was received
 */
export function resolveSource(source: unknown): ResolvedClient | Promise<ResolvedClient> {
  if (isIoredis(source)) return { client: checked(source), owned: false }
  if (isThenable(source)) {
    return Promise.resolve(source).then((inner) => resolveSource(inner))
  }
  const client = ofConnection(source)
  if (client !== undefined) return client
  if (typeof source === 'string') {
    throw new TypeError('connection: to open a connection from a URL call openConnection(url)')
  }
  if (isNodeRedis(source)) throw notNodeRedis()
  if (isBullMq(source)) return fromBullMq(source)
  throw new TypeError(`connection: expected ${ACCEPTED}, received ${shapeOf(source)}`)
}

/**
 * What tells a client from others: its `options` object, which BullMQ's Proxy of it shares; for a
 * client that is not known yet, the object or promise it will come from.
 */
export function identityOf(source: unknown): object {
  if (isIoredis(source)) return source.options
  if (typeof source !== 'object' || source === null) return {}
  if (!isThenable(source) && isBullMq(source) && !isBlocking(source)) {
    const given = source.opts?.connection
    if (isIoredis(given)) return given.options
  }
  return source
}

interface BullMqObject {
  readonly opts?: { readonly connection?: unknown }
  readonly client?: unknown
  getBackend?(): { readonly client?: unknown }
  consumeEvents?: unknown
}

function isBullMq(value: unknown): value is BullMqObject {
  if (typeof value !== 'object' || value === null || !('opts' in value)) return false
  return (
    typeof (value as BullMqObject).getBackend === 'function' ||
    isThenable((value as BullMqObject).client)
  )
}

/** QueueEvents blocks its own connection with XREAD for seconds: Corral rides on a duplicate of it. */
function isBlocking(source: BullMqObject): boolean {
  return typeof source.consumeEvents === 'function'
}

function fromBullMq(source: BullMqObject): ResolvedClient | Promise<ResolvedClient> {
  const blocks = isBlocking(source)
  const take = (client: unknown): ResolvedClient => {
    if (!isIoredis(client)) {
      if (isNodeRedis(client)) throw notNodeRedis()
      throw new TypeError(
        `connection: this BullMQ object does not stand on ioredis, received ${shapeOf(client)}`,
      )
    }
    checked(client)
    if (!blocks) return { client, owned: false }
    return { client: duplicateOf(client), owned: true }
  }
  const given = source.opts?.connection
  if (isIoredis(given)) return take(given)
  const client =
    typeof source.getBackend === 'function' ? source.getBackend().client : source.client
  return Promise.resolve(client).then(take)
}

function duplicateOf(client: IoredisClient | IoredisCluster): IoredisClient {
  // Cluster.duplicate takes start-up nodes first; without arguments both mean "just the same".
  return (client as IoredisClient).duplicate()
}

function checked(client: IoredisClient | IoredisCluster): IoredisClient | IoredisCluster {
  const { keyPrefix, redisOptions } = client.options as {
    keyPrefix?: unknown
    redisOptions?: { keyPrefix?: unknown }
  }
  if (hasText(keyPrefix) || hasText(redisOptions?.keyPrefix)) {
    throw new TypeError(
      "connection: the client has a keyPrefix, which BullMQ refuses as well; use Corral's namespace instead",
    )
  }
  return client
}

function hasText(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

function notNodeRedis(): TypeError {
  return new TypeError(
    'connection: this is a node-redis client; Corral rides on ioredis (for Keyv on node-redis see @keyv/redis)',
  )
}

function isNodeRedis(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const client = value as Record<string, unknown>
  return typeof client['sendCommand'] === 'function' && ('isOpen' in client || 'isReady' in client)
}

/** A Connection that came by a promise; others are known before their client is looked for. */
function ofConnection(source: unknown): Promise<ResolvedClient> | undefined {
  if (!(connectionClient in Object(source))) return undefined
  const connection = source as { [connectionClient](): Promise<ResolvedClient['client']> }
  return connection[connectionClient]().then((client) => ({ client, owned: false }))
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

function shapeOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  const name = (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)
    ?.constructor?.name
  return name === undefined || name === 'Object' ? 'a plain object' : `a ${name}`
}
