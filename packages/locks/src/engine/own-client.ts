/** As much of an ioredis client as is needed to have one more of it. */
interface Duplicable {
  readonly isCluster?: boolean
  duplicate(): Duplicable
  disconnect(): void
  on(event: 'error', listener: () => void): unknown
}

/** A client that nobody else uses. */
export interface OwnClient {
  /** To be given to `shareConnection`. */
  readonly source: Promise<object>
  close(): void
}

/**
 * One more client like the one that `source` stands on: an ioredis `Redis`, a BullMQ object, what
 * `openConnection` returned, or a promise of one.
 *
 * @throws TypeError later, from the first call, when there is none to be found or it is a cluster
 */
export function openOwnClient(source: unknown): OwnClient {
  let closed = false
  let client: Duplicable | undefined
  async function open(): Promise<object> {
    const found = await clientOf(source)
    if (found.isCluster === true) throw new TypeError('replicas: not supported in a Redis Cluster')
    client = found.duplicate()
    // Told by every call that fails; an event without a listener would be printed as unhandled.
    client.on('error', () => undefined)
    if (closed) client.disconnect()
    return client
  }
  const opened = open()
  opened.catch(() => undefined)
  return {
    source: opened,
    close() {
      closed = true
      client?.disconnect()
    },
  }
}

async function clientOf(source: unknown): Promise<Duplicable> {
  const held = (await source) as Partial<Duplicable> & {
    readonly client?: unknown
    getBackend?(): { readonly client?: unknown }
  }
  if (typeof held?.duplicate === 'function') return held as Duplicable
  const inner = typeof held?.getBackend === 'function' ? held.getBackend().client : held?.client
  if (inner !== undefined && inner !== null) return clientOf(inner)
  throw new TypeError(
    'replicas: no client found to make another one of; give replicas: { count, connection } with a connection of its own',
  )
}
