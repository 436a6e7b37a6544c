import type { IoredisClient } from '../client/ioredis-like.ts'
import { createBatcher } from '../guard/batcher.ts'
import { createLink } from '../guard/link.ts'
import type { GuardOptions } from '../options.ts'
import { createListenerSet, type Router, type Server } from './router.ts'

/** One server, alone or behind Sentinel: every key goes to it. */
export function createStandaloneRouter(
  client: IoredisClient,
  options: GuardOptions,
  onUsable: (server: Server, usable: boolean) => void,
): Router {
  const topology = createListenerSet<[]>()
  const link = createLink({
    name: nameOf(client),
    client,
    options,
    // The link may tell before `server` exists, while it is made.
    onUsable: (_link, usable) => queueMicrotask(() => onUsable(server, usable)),
  })
  const server: Server = { link, batcher: createBatcher(link, false) }
  const only = [server]
  return {
    isCluster: false,
    route: () => server,
    slotOf: () => 0,
    masters: () => only,
    clients: () => [{ name: link.name, client }],
    complete: true,
    settling: undefined,
    refresh: () => undefined,
    isolate: (on) => link.isolate(on),
    onTopology: (listener) => topology.add(listener),
    get lastError() {
      return link.lastError
    },
    idle: () => link.idle(),
    close: () => link.close(),
  }
}

/** `host:port`, the Sentinel group, or the socket's path. */
export function nameOf(client: IoredisClient): string {
  const { path, host, port, sentinels, name } = client.options as Partial<
    Record<string, string | number>
  >
  if (sentinels !== undefined && sentinels !== null) return `sentinel:${name}`
  if (typeof path === 'string' && path !== '') return path
  return `${host ?? '127.0.0.1'}:${port ?? 6379}`
}
