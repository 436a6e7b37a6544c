import { isCluster } from '../client/ioredis-like.ts'
import type { ResolvedClient } from '../client/resolve-source.ts'
import type { TimerHandle } from '../clock.ts'
import { CorralError, isCorralError, unavailable } from '../errors.ts'
import type { GuardOptions } from '../options.ts'
import { createClusterRouter } from '../router/cluster-router.ts'
import { createListenerSet, type Router, type Server } from '../router/router.ts'
import { createStandaloneRouter } from '../router/standalone-router.ts'
import type { SourceId } from '../stats-source.ts'
import { createSignals, type OwnedSignals } from '../signals/create-signals.ts'
import { scrub } from './reply-errors.ts'
import { inspectServer, type ServerFacts, warnAboutClient } from '../warnings.ts'

/** What all handles on one client share. */
export interface Guard {
  readonly options: GuardOptions
  /** That of the guard which it is a view on, once that is known. */
  readonly source: SourceId
  readonly signals: OwnedSignals
  readonly available: boolean
  readonly isCluster: boolean
  /** Undefined until a promised client is there. */
  readonly router: Router | undefined
  /** `run_id` of a server, as far as it is known. */
  runId(name: string): string | undefined
  /** The server of a key, waiting for the first connect within the time given. */
  reach(key: string, durationMs: number): Promise<Reached>
  onAvailability(listener: (available: boolean) => void): () => void
  isolate(on: boolean): void
  resetBreakers(): void
  /** What went wrong last, scrubbed. */
  readonly lastError: Error | undefined
  readonly reconnects: number
  /** The client, once it is there; rejects with what is wrong with its source. */
  client(): Promise<ResolvedClient['client']>
  close(): Promise<void>
}

export interface Reached {
  readonly server: Server
  readonly leftMs: number
}

/** The guard that a client has already, held by one more. */
export interface Peer {
  readonly guard: Guard
  release(): Promise<void>
}

/** Longest wait at `close()` for calls that are under way. */
const CLOSE_MS = 1_000

/**
 * Puts gate, router and signals around a client that may still be on its way.
 *
 * @param peerOf finds the guard of a promised client that others share already; this one is then no
 * more than a view on that one
 */
export function createGuard(
  source: ResolvedClient | Promise<ResolvedClient>,
  options: GuardOptions,
  peerOf: (client: ResolvedClient['client']) => Peer | undefined,
): Guard {
  const { clock } = options
  const availability = createListenerSet<[boolean]>()
  const topology = createListenerSet<[]>()
  const facts = new Map<string, ServerFacts>()
  let router: Router | undefined
  let peer: Peer | undefined
  let stopFollowing: (() => void) | undefined
  let resolved: ResolvedClient | undefined
  let resolving: Promise<void> | undefined
  let failure: Error | undefined
  /** Calls in a row that waited for a promised client in vain. */
  let vainWaits = 0
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
    router.isolate(isolated)
    warnAboutClient(found.client, options.onWarning)
    follow(router)
  }

  function follow(found: Router): void {
    found.onTopology(() => topology.tell())
    topology.tell()
  }

  /** A client that came by a promise may be one that others share already. */
  function arrive(found: ResolvedClient): void {
    peer = closed ? undefined : peerOf(found.client)
    if (peer === undefined) {
      adopt(found)
      return
    }
    resolving = undefined
    router = peer.guard.router
    if (router !== undefined) follow(router)
    if (isolated) peer.guard.isolate(true)
    stopFollowing = peer.guard.onAvailability(tellAvailability)
    tellAvailability()
  }

  if (source instanceof Promise) {
    resolving = source.then(arrive).catch((error: unknown) => {
      resolving = undefined
      failure = clean(error)
    })
  } else adopt(source)

  function isAvailable(): boolean {
    if (closed || isolated || router === undefined || router.settling !== undefined) return false
    if (peer !== undefined) return peer.guard.available
    const masters = router.masters()
    return masters.length > 0 && masters.every((server) => server.link.usable)
  }

  function onUsable(server: Server, usable: boolean): void {
    if (closed) return
    // It may be another server by now, and INFO may fail: nothing known is better than a wrong run_id.
    facts.delete(server.link.name)
    if (usable) {
      // Not awaited: it informs warnings and the signals' check of where they listen.
      void inspectServer(server, facts, options).then(() => signals.sharedReady())
    }
    tellAvailability()
  }

  function tellAvailability(): void {
    const now = isAvailable()
    if (now === told) return
    told = now
    availability.tell(now)
  }

  const signals = createSignals({
    source: options.source,
    clock,
    deadlineMs: options.deadlineMs,
    enabled: options.signals,
    masters: () => router?.clients() ?? [],
    onTopology: (listener) => topology.add(listener),
    // A source that is still a promise, or a queue, has lost nothing.
    complete: () => router?.complete !== false,
    runIds: runId,
    warn: (code, message) => options.onWarning({ code, message }),
  })

  function runId(name: string): string | undefined {
    return peer === undefined ? facts.get(name)?.runId : peer.guard.runId(name)
  }

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
        // Whole milliseconds: calls that waited together share batches and deadlines again.
        const leftMs = Math.floor(durationMs - (clock.now() - startedAt))
        if (server !== undefined && leftMs > 0) return { server, leftMs }
        const settling = resolving ?? router?.settling
        if (settling === undefined) {
          router?.refresh()
          throw unavailable(
            'not-ready',
            'no server of the cluster is known to hold this key',
            lastError(),
          )
        }
        // Whoever promised it may wait for Redis: as with a breaker, enough have tried.
        const givenUp = resolving !== undefined && vainWaits >= options.breaker.minimum
        if (leftMs <= 0 || givenUp) {
          vainWaits++
          throw unavailable('connecting', 'Redis was not connected in time', lastError())
        }
        await Promise.race([settling, late])
      }
    } finally {
      if (timer !== undefined) clock.clearTimer(timer)
    }
  }

  function lastError(): Error | undefined {
    if (failure !== undefined || router === undefined) return failure
    return router.lastError ?? router.masters().find(({ link }) => link.lastError)?.link.lastError
  }

  return {
    options,
    runId,
    get source() {
      return peer?.guard.source ?? options.source
    },
    get signals() {
      return peer?.guard.signals ?? signals
    },
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
    async client() {
      await resolving
      if (peer !== undefined) return peer.guard.client()
      if (resolved !== undefined) return resolved.client
      throw failure ?? new CorralError('CONNECTION_CLOSED', 'this connection was closed')
    },
    onAvailability: (listener) => availability.add(listener),
    isolate(on) {
      isolated = on
      if (peer === undefined) router?.isolate(on)
      else peer.guard.isolate(on)
      tellAvailability()
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
      tellAvailability()
      await signals.close()
      if (peer !== undefined) {
        stopFollowing?.()
        await peer.release()
        return
      }
      if (router === undefined) return
      // What was asked for in this tick is under way after it.
      await new Promise<void>((resolve) => {
        process.nextTick(resolve)
      })
      await within(router.idle(), CLOSE_MS)
      // What was answered is told in portions, but all of it before the event loop turns. Those who are
      // given up hear of it together with the caller of close(), who may be the one to handle it.
      await new Promise<void>((resolve) => {
        clock.afterIo(resolve)
      })
      router.close()
      if (resolved?.owned === true) await endClient(resolved.client)
    },
  }

  /** QUIT answers what is in flight first; a server that hangs is not waited for. */
  async function endClient(client: ResolvedClient['client']): Promise<void> {
    if (client.status === 'end') return
    const ended = new Promise<void>((resolve) => void client.on('end', () => resolve()))
    // Our own listener is gone, and ioredis prints errors that nobody listens to.
    client.on('error', () => undefined)
    if (client.status === 'ready') {
      await within(
        client.quit().catch(() => undefined),
        CLOSE_MS / 2,
      )
    }
    // Between two attempts ioredis would neither end nor reject what waits in its queue.
    if (client.status === 'reconnecting') client.connect().catch(() => undefined)
    client.disconnect()
    await within(ended, CLOSE_MS / 2)
  }

  async function within(work: Promise<unknown>, ms: number): Promise<void> {
    let timer: TimerHandle | undefined
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimer(resolve, ms)
    })
    await Promise.race([work, late])
    if (timer !== undefined) clock.clearTimer(timer)
  }
}

/** Our own complaints about a source go on as they are; what its promise rejected with may hold secrets. */
function clean(error: unknown): Error {
  if (isCorralError(error)) return error
  if (error instanceof TypeError) return error
  return unavailable('not-ready', 'the connection that was given did not come to be', scrub(error))
}
