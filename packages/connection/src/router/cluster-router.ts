import calculateSlot from 'cluster-key-slot'
import type { IoredisClient, IoredisCluster, IoredisCommand } from '../client/ioredis-like.ts'
import type { TimerHandle } from '../clock.ts'
import { createBatcher } from '../guard/batcher.ts'
import { createLink } from '../guard/link.ts'
import { isReply, scrub } from '../guard/reply-errors.ts'
import type { GuardOptions } from '../options.ts'
import { createListenerSet, type Router, type Server } from './router.ts'
import { nameOf } from './standalone-router.ts'

/** Shortest time between two looks at the cluster's table of slots. */
const REFRESH_MS = 250
/** Longest time between two looks while a server is away. */
const MOST_REFRESH_MS = 2_000
const SLOTS = 16_384

/**
 * A Redis Cluster: every command goes straight to the node of its slot, through a link with its
 * own breaker and bounds, as the cluster client's own status stays `ready` in every fault. Only
 * redirected commands take the client's own routing.
 */
export function createClusterRouter(
  cluster: IoredisCluster,
  options: GuardOptions,
  onUsable: (server: Server, usable: boolean) => void,
): Router {
  const { clock } = options
  const topology = createListenerSet<[]>()
  const servers = new Map<IoredisClient, Server>()
  const byName = new Map<string, Server>()
  let lastError: Error | undefined
  let closed = false
  let isolated = false
  let refreshTimer: TimerHandle | undefined
  let refreshedAt = -Infinity
  let vainLooks = 0
  let over: () => void = () => undefined
  let settling: Promise<void> | undefined

  if (cluster.status !== 'ready' && cluster.status !== 'end') {
    settling = new Promise((resolve) => {
      over = () => {
        settling = undefined
        resolve()
      }
    })
  }

  /** The cluster client follows MOVED and ASK; we only take care that it sends nothing twice. */
  function redirect(command: IoredisCommand): boolean {
    refresh()
    if (cluster.status !== 'ready') return false
    const giveUp = command.reject
    void cluster.sendCommand(command as never)
    const tryAgain = command.reject
    // Only a reply proves that nothing was done: after a lost connection a second try may act twice.
    command.reject = (error) => (isReply(error) ? tryAgain : giveUp).call(command, error)
    return true
  }

  function serverOf(client: IoredisClient): Server {
    let server = servers.get(client)
    if (server === undefined) {
      const link = createLink({
        name: nameOf(client),
        client,
        options,
        redirect,
        onUsable: (_link, usable) => {
          if (!usable) refresh()
          queueMicrotask(() => onUsable(server as Server, usable))
        },
      })
      server = { link, batcher: createBatcher(link, true) }
      if (isolated) link.isolate(true)
      servers.set(client, server)
      byName.set(link.name, server)
    }
    return server
  }

  function route(key: string): Server | undefined {
    const name = cluster.slots[calculateSlot(key)]?.[0]
    if (name === undefined) return undefined
    const known = byName.get(name)
    if (known !== undefined) return known
    const client = cluster.nodes('all').find((node) => nameOf(node) === name)
    return client === undefined ? undefined : serverOf(client)
  }

  function masters(): Server[] {
    return cluster.nodes('master').map(serverOf)
  }

  function refresh(): void {
    if (closed || refreshTimer !== undefined) return
    const pause = Math.min(REFRESH_MS * 2 ** vainLooks, MOST_REFRESH_MS)
    const wait = Math.max(0, refreshedAt + pause - clock.now())
    refreshTimer = clock.setTimer(look, wait, { unref: true })
  }

  function look(): void {
    refreshTimer = undefined
    refreshedAt = clock.now()
    cluster.refreshSlotsCache((error) => {
      if (closed) return
      if (error !== undefined && error !== null) lastError = scrub(error)
      topology.tell()
      // Keep looking, less and less often, while the owner of some slot does not serve.
      const vain = masters().some((server) => !server.link.usable)
      vainLooks = vain ? vainLooks + 1 : 0
      if (vain) refresh()
    })
  }

  function onMinusNode(client: IoredisClient): void {
    const server = servers.get(client)
    if (server !== undefined) {
      servers.delete(client)
      if (byName.get(server.link.name) === server) byName.delete(server.link.name)
      server.link.close(true)
      onUsable(server, false)
    }
    refresh()
    topology.tell()
  }

  function onReady(): void {
    lastError = undefined
    masters()
    over()
    topology.tell()
  }

  const listeners = [
    ['ready', onReady],
    ['close', () => over()],
    ['end', () => over()],
    ['error', (error: unknown) => void (lastError = scrub(error))],
    ['+node', () => topology.tell()],
    // A promotion among nodes that are known already is told by nothing else.
    ['refresh', () => topology.tell()],
    ['-node', onMinusNode],
  ] as const
  for (const [event, listener] of listeners) cluster.on(event, listener)
  if (cluster.status === 'wait') cluster.connect().catch(() => undefined)
  else if (cluster.status === 'ready') masters()

  return {
    isCluster: true,
    route,
    slotOf: (key) => calculateSlot(key),
    masters,
    clients: () => masters().map(({ link }) => ({ name: link.name, client: link.client })),
    get complete() {
      const names = new Set(masters().map(({ link }) => link.name))
      for (let slot = 0; slot < SLOTS; slot++) {
        if (!names.has(cluster.slots[slot]?.[0] ?? '')) return false
      }
      return true
    },
    get settling() {
      return settling
    },
    refresh,
    isolate(on) {
      isolated = on
      for (const { link } of servers.values()) link.isolate(on)
    },
    onTopology: (listener) => topology.add(listener),
    get lastError() {
      return lastError
    },
    idle: async () =>
      void (await Promise.all([...servers.values()].map(({ link }) => link.idle()))),
    close() {
      closed = true
      for (const [event, listener] of listeners) cluster.removeListener(event, listener)
      if (refreshTimer !== undefined) clock.clearTimer(refreshTimer)
      for (const server of servers.values()) server.link.close()
      over()
    },
  }
}
