import type { IoredisClient, IoredisCommand } from '../client/ioredis-like.ts'
import type { TimerHandle } from '../clock.ts'
import type { NodeHealth } from '../health.ts'
import { type CorralError, CorralError as Failure, unavailable } from '../errors.ts'
import type { GuardOptions } from '../options.ts'
import { traceChannel } from '../trace.ts'
import { type BreakerState, createBreaker } from './breaker.ts'
import type { Effect, Flight, FlightSource } from './flight.ts'
import { createPulse } from './pulse.ts'
import { errorWord, judgeReply, scrub } from './reply-errors.ts'
import { createTraffic } from './traffic.ts'
import { createWriteSide } from './write-side.ts'

const breakerTrace = traceChannel('corral:connection:breaker')
const stateTrace = traceChannel('corral:connection:state')

export interface LinkDeps {
  readonly name: string
  readonly client: IoredisClient
  readonly options: GuardOptions
  /**
   * Sends a command by the cluster's own routing, when Redis said that the key lives elsewhere;
   * false when that is not possible now.
   */
  readonly redirect?: (command: IoredisCommand) => boolean
  onUsable(link: Link, usable: boolean): void
}

/** The guarded way to one server. */
export interface Link {
  readonly name: string
  readonly client: IoredisClient
  /** Why a call made now would be refused at once; undefined when it would be tried. */
  refusal(effect: Effect): CorralError | undefined
  /** Takes commands of one tick; each is sent, waits for a place, or fails. */
  submit(flights: readonly Flight[]): void
  flight(source: FlightSource): Flight
  readonly health: NodeHealth
  /** The last thing that went wrong with the connection, scrubbed. */
  readonly lastError: Error | undefined
  readonly usable: boolean
  /** The server's clock now, in epoch milliseconds; undefined while it is not known. */
  serverNow(): number | undefined
  /** Commands that are under way. */
  readonly pending: number
  readonly reconnects: number
  isolate(on: boolean): void
  resetBreakers(): void
  /** Resolves when no call of this link waits for an answer any more. */
  idle(): Promise<void>
  /** Lets go of the client. `retired`: the node left the cluster, which is no fault of the caller. */
  close(retired?: boolean): void
}

type State = 'connecting' | 'ready' | 'down' | 'closed'

/**
 * Guards one ioredis client: gate, breakers, deadlines, bounds, and no late harm. Nothing is handed
 * to the client unless it is `ready` and its socket writable, so nothing of ours ever enters its
 * offline queue.
 */
export function createLink(deps: LinkDeps): Link {
  const { name, client, options } = deps
  const { clock, breaker, source } = options
  let state: State = /^(wait|connecting|connect)$/.test(client.status) ? 'connecting' : 'down'
  let readies = 0
  let isolated = false
  let lastError: Error | undefined
  let probeTimer: TimerHandle | undefined
  /** The server does not tell its time (ACL), so no deadline can be set: writes are refused. */
  let timeless: CorralError | undefined

  const reads = createBreaker(breaker, (from, to, reason) => {
    trace('read', from, to, reason)
    if (to === 'open') {
      setProbeTimer()
      traffic.drain()
    }
    tellUsable()
  })
  const writes = createWriteSide(clock, breaker, (...change) => trace('write', ...change))
  const traffic = createTraffic({
    name,
    client,
    options,
    redirect: deps.redirect,
    reads,
    writes,
    pulse: () => pulse,
    writable,
    connecting: () => state === 'connecting',
    gate,
    lastError: () => lastError,
  })
  const pulse = createPulse({
    clock,
    deadlineMs: options.deadlineMs,
    ask: traffic.ask,
    onAlive,
    onError(what, error) {
      const verdict = judgeReply(error, what)
      // An ACL may forbid PING, and MISCONF refuses it with the writes: the server lives all the same.
      if (verdict.blame !== 'link') {
        if (what === 'PING') return onAlive()
        timeless = verdict.error
      } else reads.open(errorWord(error))
      traffic.drain()
    },
    onTime() {
      timeless = undefined
      traffic.drain()
    },
  })

  function onAlive(): void {
    reads.close('probe answered')
    if (!pulse.known) pulse.learn()
    traffic.drain()
  }

  function trace(
    side: 'read' | 'write',
    from: BreakerState,
    to: BreakerState,
    reason: string,
  ): void {
    if (breakerTrace.hasSubscribers)
      breakerTrace.publish({ source, node: name, side, from, to, reason })
  }

  let toldUsable = false
  function tellUsable(): void {
    const usable = state === 'ready' && reads.state === 'closed' && !isolated
    if (usable === toldUsable) return
    toldUsable = usable
    if (stateTrace.hasSubscribers)
      stateTrace.publish({ source, node: name, state: usable ? 'usable' : 'away' })
    deps.onUsable(self, usable)
  }

  // ---- gate -------------------------------------------------------------------------------------

  function writable(): boolean {
    return client.status === 'ready' && client.stream?.writable === true
  }

  function gate(effect: Effect): CorralError | undefined {
    if (state === 'closed') return new Failure('CONNECTION_CLOSED', 'this connection was closed')
    if (isolated) return unavailable('isolated', 'Redis was taken out by isolate()')
    if (state === 'down' || (state === 'ready' && !writable())) {
      return unavailable(
        'not-ready',
        `Redis is not ready (the client is ${client.status})`,
        lastError,
      )
    }
    if (reads.state !== 'closed') return unavailable('breaker-open', 'Redis did not answer lately')
    if (effect === 'read') return undefined
    return writes.refusal(effect) ?? timeless
  }

  // ---- probing ----------------------------------------------------------------------------------

  function setProbeTimer(): void {
    if (probeTimer !== undefined) clock.clearTimer(probeTimer)
    probeTimer = clock.setTimer(
      () => {
        probeTimer = undefined
        probe()
      },
      breaker.openForMs,
      { unref: true },
    )
  }

  function probe(): void {
    if (state !== 'ready' || !writable() || reads.state === 'closed') return
    reads.halfOpen('probe')
    pulse.probe()
  }

  // ---- the client's own life --------------------------------------------------------------------

  function onReady(): void {
    if (state === 'ready' || state === 'closed') return
    traffic.turn()
    pulse.forget()
    timeless = undefined
    readies++
    state = 'ready'
    lastError = undefined
    writes.reset('ready')
    pulse.learn()
    probe()
    tellUsable()
    traffic.drain()
  }

  function onDown(): void {
    if (state === 'closed') return
    state = 'down'
    traffic.letGo()
    tellUsable()
  }

  function onError(error: unknown): void {
    lastError = scrub(error)
  }

  const listeners = [
    ['ready', onReady],
    ['close', onDown],
    ['end', onDown],
    ['error', onError],
  ] as const
  for (const [event, listener] of listeners) client.on(event, listener)

  const self: Link = {
    name,
    client,
    refusal: traffic.refusal,
    submit: traffic.submit,
    flight: traffic.flight,
    get health() {
      return {
        node: name,
        client: client.status,
        read: reads.state,
        write: reads.state === 'closed' ? writes.state : reads.state,
        pending: traffic.pending,
        queued: traffic.queued,
      }
    },
    get lastError() {
      return lastError
    },
    get usable() {
      return toldUsable
    },
    serverNow: () => (pulse.known ? pulse.at(clock.now()) / 1000 : undefined),
    get pending() {
      return traffic.pending
    },
    get reconnects() {
      return Math.max(0, readies - 1)
    },
    isolate(on) {
      isolated = on
      tellUsable()
      traffic.drain()
    },
    resetBreakers() {
      reads.close('reset')
      writes.reset('reset')
      timeless = undefined
      if (state === 'ready' && writable() && !pulse.known) pulse.learn()
    },
    idle: traffic.idle,
    close(retired = false) {
      if (state === 'closed') return
      for (const [event, listener] of listeners) client.removeListener(event, listener)
      onDown()
      if (!retired) state = 'closed'
      if (probeTimer !== undefined) clock.clearTimer(probeTimer)
    },
  }

  if (client.status === 'ready') onReady()
  else if (client.status === 'wait') client.connect().catch(() => undefined)
  return self
}
