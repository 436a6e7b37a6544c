import type { TimerHandle } from '../clock.ts'
import { describeValue } from '../duration.ts'
import { CorralError, unavailable } from '../errors.ts'
import { traceChannel } from '../trace.ts'
import { createNodeSignals, type NodeSignals } from './node-signals.ts'
import { createSignalRegistry, type EntryNames, type EntryState } from './signal-registry.ts'
import type { OwnedSignals, SignalsDeps, SignalsHealth } from './signals-owner.ts'
import type { SignalState } from './signals.ts'

export type { OwnedSignals, SignalsDeps } from './signals-owner.ts'

/** How long the connection stays open when nobody listens any more. */
const IDLE_MS = 5_000

const trace = traceChannel('corral:connection:signals')

interface Waiter {
  readonly names: EntryNames
  settle(error?: Error): void
}

/** Signals of one shared connection. Opens nothing before the first listener comes. */
export function createSignals(deps: SignalsDeps): OwnedSignals {
  const { clock, source } = deps
  const nodes = new Map<string, NodeSignals>()
  const waiters = new Set<Waiter>()
  // Connections that are being closed.
  const leaving = new Set<Promise<void>>()
  const registry = createSignalRegistry(source, plan)
  let primary: string | undefined
  let stopTopology: (() => void) | undefined
  let idle: TimerHandle | undefined
  let planned = false
  let complete = true
  let closed: Promise<void> | undefined
  let warned = false
  let announced: SignalState = 'off'

  /** Whatever comes or goes in one tick is one change of the connection. */
  function plan(): void {
    if (planned || closed !== undefined || !deps.enabled) return
    planned = true
    clock.afterIo(() => {
      planned = false
      if (closed === undefined) reconcile()
    })
  }

  function reconcile(): void {
    if (registry.empty) {
      idle ??= clock.setTimer(goIdle, IDLE_MS, { unref: true })
      return publish()
    }
    if (idle !== undefined) clock.clearTimer(idle)
    idle = undefined
    stopTopology ??= deps.onTopology(plan)

    complete = deps.complete?.() !== false
    const masters = new Set(deps.masters().map((master) => master.name))
    for (const [name, node] of nodes) if (!masters.has(name)) remove(name, node)
    for (const name of masters) if (!nodes.has(name)) nodes.set(name, createNode(name))
    update()
  }

  function createNode(name: string): NodeSignals {
    const node = createNodeSignals({
      name,
      clock,
      deadlineMs: deps.deadlineMs,
      source: () => deps.masters().find((master) => master.name === name)?.client,
      // Keys are told by their own master, a message by every server of a cluster: one is enough.
      wanted: () => ({
        prefixes: registry.names().prefixes,
        channels: name === primary ? registry.channels : new Set(),
      }),
      sharedRunId: () => deps.runIds?.(name),
      onKeys: (keys) => registry.tellKeys(keys),
      onMessage: (channel, message) => registry.tellMessage(channel, message),
      onChange: () => {
        if (nodes.get(name) === node && !registry.empty) update()
      },
    })
    return node
  }

  function remove(name: string, node: NodeSignals): void {
    nodes.delete(name)
    const done = node.rest()
    leaving.add(done)
    void forget(done)
  }

  async function forget(done: Promise<void>): Promise<void> {
    await done
    leaving.delete(done)
  }

  function goIdle(): void {
    idle = undefined
    stopTopology?.()
    stopTopology = undefined
    for (const [name, node] of nodes) remove(name, node)
  }

  function update(): void {
    elect()
    for (const node of nodes.values()) node.update()
    publish()
  }

  /** Chooses the server that channels are heard from. */
  function elect(): void {
    const current = primary === undefined ? undefined : nodes.get(primary)
    if (current !== undefined && current.phase !== 'lost') return
    const names = [...nodes.keys()].toSorted()
    const alive = names.find((name) => nodes.get(name)?.live !== undefined)
    // With channels alone the others have no connection yet: they are tried in turn.
    const following = names.find((name) => primary !== undefined && name > primary)
    primary = alive ?? following ?? names[0]
  }

  function stateOf(kind: keyof EntryNames, name: string): EntryState {
    const all = [...nodes.values()]
    if (!complete || all.some((node) => node.phase === 'lost')) return 'lost'
    if (kind === 'channels') {
      const live = primary === undefined ? undefined : nodes.get(primary)?.live
      if (live?.refused.has(name)) return 'unsupported'
      return live?.channels.has(name) ? 'on' : 'arming'
    }
    if (all.some((node) => node.live?.armed?.tracking === false)) return 'unsupported'
    const covered = all.length > 0 && all.every((node) => node.live?.prefixes.has(name))
    return covered ? 'on' : 'arming'
  }

  function statesOf(names: EntryNames): EntryState[] {
    return [
      ...names.prefixes
        .filter((name) => registry.has('prefixes', name))
        .map((name) => stateOf('prefixes', name)),
      ...names.channels
        .filter((name) => registry.has('channels', name))
        .map((name) => stateOf('channels', name)),
    ]
  }

  function state(): SignalState {
    if (closed !== undefined || !deps.enabled || registry.empty) return 'off'
    const states = statesOf(registry.names())
    if (states.includes('lost')) return 'lost'
    if (!states.includes('arming')) return 'on'
    return registry.anyLost ? 'lost' : 'arming'
  }

  function tracking(): boolean {
    const live = [...nodes.values()].flatMap((node) => node.live?.armed ?? [])
    return live.every((armed) => armed.tracking !== false)
  }

  function publish(): void {
    registry.tellStates(stateOf)
    const now = state()
    if (now !== announced && trace.hasSubscribers) {
      const cause = [...nodes.values()].find((node) => node.reason !== undefined)
      const why = now === 'lost' && cause ? { node: cause.name, reason: cause.reason ?? '' } : {}
      trace.publish({ source, state: now, ...why })
    }
    announced = now
    if (!warned) warnOnce()
    for (const waiter of waiters) {
      const states = statesOf(waiter.names)
      if (states.includes('unsupported')) waiter.settle(unsupported())
      else if (states.every((each) => each === 'on')) waiter.settle()
    }
  }

  function refusal(): string | undefined {
    for (const { live } of nodes.values()) {
      if (live?.armed?.tracking === false) return `CLIENT TRACKING: ${live.armed.untracked}`
      if (live && live.refused.size > 0) return 'SUBSCRIBE: NOPERM'
    }
    return undefined
  }

  function warnOnce(): void {
    const why = refusal()
    if (why === undefined) return
    warned = true
    deps.warn(
      'SIGNALS_UNSUPPORTED',
      `This Redis does not tell what changes (${why}), so near caches stay off and waiters poll. ` +
        'It takes Redis 6 or later, and an ACL that allows CLIENT|ID, CLIENT|TRACKING, SUBSCRIBE ' +
        'and the channels __redis__:invalidate and corral:*.',
    )
  }

  function unsupported(): Error {
    return unavailable('refused', `Signals are not supported here (${refusal() ?? 'refused'})`)
  }

  function health(): SignalsHealth {
    const reason = [...nodes.values()].find((node) => node.reason)?.reason ?? refusal()
    return {
      state: state(),
      tracking: tracking(),
      ...(reason === undefined ? {} : { reason }),
      nodes: [...nodes.values()].map((node) => ({
        node: node.name,
        state: node.phase,
        ...(node.reason === undefined ? {} : { reason: node.reason }),
      })),
    }
  }

  function whenOn(timeoutMs: number): Promise<void> {
    if (closed !== undefined) return Promise.reject(closedError())
    const names = registry.names()
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clock.clearTimer(timer)
        waiters.delete(waiter)
        if (error === undefined) resolve()
        else reject(error)
      }
      const timer = clock.setTimer(() => {
        settle(unavailable('deadline', `Signals were not on within ${timeoutMs} ms (${state()})`))
      }, timeoutMs)
      const waiter: Waiter = { names, settle }
      waiters.add(waiter)
      publish()
    })
  }

  function close(): Promise<void> {
    closed ??= (async () => {
      if (idle !== undefined) clock.clearTimer(idle)
      stopTopology?.()
      for (const waiter of waiters) waiter.settle(closedError())
      for (const [name, node] of nodes) remove(name, node)
      registry.end()
      planned = false
      if (announced !== 'off' && trace.hasSubscribers) trace.publish({ source, state: 'off' })
      announced = 'off'
      await Promise.all(leaving)
    })()
    return closed
  }

  function demandOpen(): void {
    if (closed !== undefined) throw closedError()
  }

  return {
    get state() {
      return planned ? state() : announced
    },
    get tracking() {
      return tracking()
    },
    watch(prefix, listener) {
      demandOpen()
      requireCalls('watch', listener, ['keys', 'flush', 'state'])
      return registry.watch(prefix, listener)
    },
    subscribe(channel, listener) {
      demandOpen()
      requireCalls('subscribe', listener, ['message'])
      return registry.subscribe(channel, listener)
    },
    whenOn,
    health,
    sharedReady() {
      if (closed !== undefined) return
      for (const node of nodes.values()) node.sharedReady()
      if (!registry.empty) plan()
    },
    close,
  }
}

/** A listener is told much later, where nobody would hear that it cannot be called. */
function requireCalls(of: string, listener: unknown, names: readonly string[]): void {
  const calls = listener as Readonly<Record<string, unknown>> | null | undefined
  if (names.every((name) => typeof calls?.[name] === 'function')) return
  throw new TypeError(
    `listener: ${of} wants an object with ${names.join(', ')}, received ${describeValue(listener)}`,
  )
}

function closedError(): CorralError {
  return new CorralError(
    'CONNECTION_CLOSED',
    'The connection that these signals belong to is closed',
  )
}
