import type { IoredisClient, IoredisCluster } from '../client/ioredis-like.ts'
import { isCluster } from '../client/ioredis-like.ts'
import type { ResolvedClient } from '../client/resolve-source.ts'
import type { TimerHandle } from '../clock.ts'
import { CorralError, unavailable } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import { createClusterRouter } from '../router/cluster-router.ts'
import { createListenerSet, type Router, type Server } from '../router/router.ts'
import { createStandaloneRouter } from '../router/standalone-router.ts'
import { createSignals, type OwnedSignals } from '../signals/create-signals.ts'
import { inspectServer, type ServerFacts, warnAboutClient } from '../warnings.ts'

/** What all handles on one client share. */
export interface Guard {
  readonly options: ResolvedOptions
  readonly signals: OwnedSignals
  readonly available: boolean
  readonly isCluster: boolean
  /** Undefined until a promised client is there. */
  readonly router: Router | undefined
  /** The server of a key, waiting for the first connect within the time given. */
  reach(key: string, durationMs: number): Promise<Reached>
  onAvailability(listener: (available: boolean) => void): () => void
  isolate(on: boolean): void
  resetBreakers(): void
  /** What went wrong last, scrubbed. */
  readonly lastError: Error | undefined
  readonly reconnects: number
  close(): Promise<void>
}

export interface Reached {
  readonly server: Server
  readonly leftMs: number
}

/** Puts gate, router and signals around a client that may still be on its way. */
export function createGuard(
  source: ResolvedClient | Promise<ResolvedClient>,
  options: ResolvedOptions,
): Guard {
  const { clock } = options
  const availability = createListenerSet<[boolean]>()
  const topology = createListenerSet<[]>()
  const facts = new Map<string, ServerFacts>()
  let router: Router | undefined
  let resolved: ResolvedClient | undefined
  let resolving: Promise<void> | undefined
  let failure: unknown
  let isolated = false
  let closed = false
  let told = false

  function adopt(found: ResolvedClient): void {
    resolving = undefined
    if (closed) {
      if (found.owned) found.client.disconnect()
      return
    }
    resolved = found
    router = isCluster(found.client)
      ? createClusterRouter(found.client, options, onUsable)
      : createStandaloneRouter(found.client, options, onUsable)
    router.onTopology(() => topology.tell())
    router.isolate(isolated)
    warnAboutClient(found.client, options.onWarning)
    topology.tell()
  }

  if (source instanceof Promise) {
    resolving = source.then(adopt, (error: unknown) => {
      resolving = undefined
      failure = error
    })
  } else adopt(source)

  function isAvailable(): boolean {
    if (closed || isolated || router === undefined || router.settling !== undefined) return false
    const masters = router.masters()
    return masters.length > 0 && masters.every((server) => server.link.usable)
  }

  function onUsable(server: Server, usable: boolean): void {
    if (closed) return
    if (usable) {
      // Not awaited: it informs warnings and the signals' check of where they listen.
      void inspectServer(server, facts, options).then(() => signals.sharedReady())
    }
    const now = isAvailable()
    if (now === told) return
    told = now
    availability.tell(now)
  }

  const signals = createSignals({
    clock,
    deadlineMs: options.deadlineMs,
    enabled: options.signals,
    masters: () => router?.clients() ?? [],
    onTopology: (listener) => topology.add(listener),
    runIds: (name) => facts.get(name)?.runId,
    warn: (code, message) => options.onWarning({ code, message }),
  })

  async function reach(key: string, durationMs: number): Promise<Reached> {
    const startedAt = clock.now()
    let timer: TimerHandle | undefined
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimer(resolve, durationMs)
    })
    try {
      for (;;) {
        if (closed) throw new CorralError('CONNECTION_CLOSED', 'this connection was closed')
        if (failure !== undefined) throw failure
        const server = router?.route(key)
        const leftMs = durationMs - (clock.now() - startedAt)
        if (server !== undefined && leftMs > 0) return { server, leftMs }
        const settling = resolving ?? router?.settling
        if (settling === undefined) {
          router?.refresh()
          throw unavailable('not-ready', 'no server of the cluster is known to hold this key', lastError())
        }
        if (leftMs <= 0) throw unavailable('connecting', 'Redis was not connected in time', lastError())
        await Promise.race([settling, late])
      }
    } finally {
      if (timer !== undefined) clock.clearTimer(timer)
    }
  }

  function lastError(): Error | undefined {
    if (failure instanceof Error) return failure
    if (router === undefined) return undefined
    return router.lastError ?? router.masters().find(({ link }) => link.lastError)?.link.lastError
  }

  return {
    options,
    signals,
    get router() {
      return router
    },
    get isCluster() {
      return router?.isCluster === true
    },
    get available() {
      return isAvailable()
    },
    reach,
    onAvailability: (listener) => availability.add(listener),
    isolate(on) {
      isolated = on
      router?.isolate(on)
    },
    resetBreakers() {
      for (const { link } of router?.masters() ?? []) link.resetBreakers()
    },
    get lastError() {
      return lastError()
    },
    get reconnects() {
      let sum = 0
      for (const { link } of router?.masters() ?? []) sum += link.reconnects
      return sum
    },
    async close() {
      if (closed) return
      closed = true
      await signals.close()
      router?.close()
      if (resolved?.owned === true) await endClient(resolved.client)
    },
  }
}

/** QUIT answers what is in flight first; a server that hangs is not waited for. */
async function endClient(client: IoredisClient | IoredisCluster): Promise<void> {
  if (client.status !== 'ready') {
    client.disconnect()
    return
  }
  const hung = setTimeout(() => client.disconnect(), 500)
  await client.quit().catch(() => undefined)
  clearTimeout(hung)
}
