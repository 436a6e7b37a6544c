import type { IoredisClient, IoredisCommand } from '../client/ioredis-like.ts'
import { defuse } from '../client/ioredis-like.ts'
import { type CorralError, unavailable } from '../errors.ts'
import type { GuardOptions } from '../options.ts'
import { traceChannel } from '../trace.ts'
import type { Breaker } from './breaker.ts'
import { createCourier } from './courier.ts'
import { createDeadlines } from './deadlines.ts'
import { type Effect, type Flight, type FlightSource, createFlight } from './flight.ts'
import type { Pulse } from './pulse.ts'
import { errorWord, isReply, judgeReply } from './reply-errors.ts'
import { createWaitingLine } from './waiting-line.ts'
import type { WriteSide } from './write-side.ts'

const commandTrace = traceChannel('corral:connection:command')

/** Redis reads this much of a connection at once. */
const MOST_CORKED_BYTES = 16 * 1024

export interface TrafficDeps {
  readonly name: string
  readonly client: IoredisClient
  readonly options: GuardOptions
  readonly redirect: ((command: IoredisCommand) => boolean) | undefined
  readonly reads: Breaker
  readonly writes: WriteSide
  pulse(): Pulse
  /** Whether the client can be handed a command now. */
  writable(): boolean
  /** Whether the first connect is under way. */
  connecting(): boolean
  /** Why a call would be refused, bounds aside. */
  gate(effect: Effect): CorralError | undefined
  lastError(): Error | undefined
}

/** What is under way to one server and what waits for a place, each within its deadline. */
export interface Traffic {
  readonly pending: number
  readonly queued: number
  refusal(effect: Effect): CorralError | undefined
  submit(flights: readonly Flight[]): void
  flight(source: FlightSource): Flight
  /** Something changed: let those go that wait and may. */
  drain(): void
  /** The connection is a new one. */
  turn(): void
  /** The connection is gone: nothing that was sent will be answered. */
  letGo(): void
  /** Sends a command outside the bounds. */
  ask: ReturnType<typeof createCourier>['ask']
  /** Resolves when no call waits for an answer any more. */
  idle(): Promise<void>
}

export function createTraffic(deps: TrafficDeps): Traffic {
  const { name, client, options, reads, writes, pulse } = deps
  const { clock, source } = options
  const deadlines = createDeadlines(clock)
  const line = createWaitingLine()
  const inFlight = new Set<Flight>()
  let pendingBytes = 0
  let drainScheduled = false
  /** Flights whose callers do not know yet. */
  let open = 0
  let whenIdle: (() => void)[] = []

  const courier = createCourier({
    client,
    redirect: deps.redirect,
    deadlineOf: (flight) => pulse().at(flight.deadlineAt),
    writable: deps.writable,
    landed,
    crashed,
  })

  // ---- sending ----------------------------------------------------------------------------------

  function refusal(effect: Effect): CorralError | undefined {
    if (line.calls >= options.maxQueued) {
      return unavailable('overloaded', `more than ${options.maxQueued} calls wait for Redis`)
    }
    return deps.gate(effect)
  }

  function mustWait(flight: Flight): boolean {
    return (
      deps.connecting() ||
      inFlight.size >= options.maxPending ||
      (flight.bytes > 0 &&
        pendingBytes > 0 &&
        pendingBytes + flight.bytes > options.maxPendingBytes) ||
      (flight.effect !== 'read' && !pulse().known)
    )
  }

  function submit(flights: readonly Flight[]): void {
    // One socket write for all; corking costs more than it saves for a single command.
    const stream = flights.length > 1 ? client.stream : undefined
    const now = clock.now()
    stream?.cork()
    let corked = 0
    for (const flight of flights) {
      flight.startedAt = now
      flight.deadlineAt = now + flight.durationMs
      open++
      const refused = refusal(flight.effect)
      if (refused !== undefined) {
        settle(flight, refused)
        continue
      }
      deadlines.add(flight, flight.durationMs)
      if (!line.empty || mustWait(flight)) line.push(flight)
      else send(flight)
      // The server may begin with what is there while we make the rest.
      corked += flight.bytes
      if (corked < MOST_CORKED_BYTES) continue
      corked = 0
      stream?.uncork()
      stream?.cork()
    }
    stream?.uncork()
  }

  function send(flight: Flight): void {
    writes.sending(flight)
    inFlight.add(flight)
    pendingBytes += flight.bytes
    courier.send(flight)
    if (flight.effect !== 'read') pulse().refresh()
  }

  function drain(): void {
    if (drainScheduled || line.empty) return
    drainScheduled = true
    process.nextTick(() => {
      drainScheduled = false
      const stream = client.stream
      stream?.cork()
      line.pass({ refusal: ({ effect }) => deps.gate(effect), mustWait, send, settle })
      stream?.uncork()
    })
  }

  // ---- answers ----------------------------------------------------------------------------------

  /** Gives the place in flight back and lets the next ones go, once per tick. */
  function release(flight: Flight): void {
    flight.command = undefined
    if (!inFlight.delete(flight)) return
    pendingBytes -= flight.bytes
    drain()
  }

  function noteTold(): void {
    if (--open > 0 || whenIdle.length === 0) return
    const told = whenIdle
    whenIdle = []
    for (const tell of told) tell()
  }

  function done(flight: Flight): void {
    flight.settled = true
    deadlines.prune(flight.durationMs)
    noteTold()
  }

  function settle(flight: Flight, error: CorralError): void {
    if (flight.settled) return
    done(flight)
    flight.fail(error)
  }

  function report(flight: Flight, outcome: 'ok' | 'error' | 'deadline' | 'lost'): void {
    if (!commandTrace.hasSubscribers) return
    const duration = clock.now() - flight.startedAt
    commandTrace.publish({
      source,
      node: name,
      command: flight.what,
      calls: flight.calls,
      duration,
      outcome,
    })
  }

  function landed(flight: Flight, reply: unknown): void {
    release(flight)
    if (flight.settled) return
    reads.record(true, '')
    report(flight, 'ok')
    done(flight)
    const trouble = flight.succeed(reply)
    if (trouble === undefined) writes.took(flight)
    else writes.refused(trouble)
  }

  function crashed(flight: Flight, error: unknown): void {
    const verdict = judgeReply(error, flight.what)
    if (!isReply(error)) {
      if (!flight.settled) reads.record(false, 'the client gave up')
      lost(flight, verdict.error)
      return
    }
    const word = errorWord(error)
    release(flight)
    if (verdict.blame === 'write') writes.refused(word)
    if (flight.settled) return
    report(flight, 'error')
    reads.record(verdict.blame !== 'link', word)
    if (verdict.blame === 'none') writes.took(flight)
    if (verdict.blame === 'late') {
      // Our own deadline has not passed: the estimate was rough, or the server's clock was set.
      pulse().distrust()
      pulse().learn()
    }
    settle(flight, verdict.error)
  }

  /**
   * No answer will come. A write may still be on its way to the server, in a buffer of the network
   * or of the frozen server, so its callers hear of the failure when the server has to refuse it.
   */
  function lost(flight: Flight, error: CorralError): void {
    // ioredis will send again what was unanswered: make that harmless first.
    if (flight.command !== undefined) defuse(flight.command)
    release(flight)
    if (flight.settled) return
    if (flight.effect === 'read') {
      report(flight, 'lost')
      settle(flight, error)
    } else flight.doubt = error
  }

  function expired(flight: Flight): void {
    noteTold()
    if (flight.doubt !== undefined) {
      report(flight, 'lost')
      flight.fail(flight.doubt)
      return
    }
    const connecting = deps.connecting()
    if (flight.command !== undefined) {
      // Already written bytes are the script's own deadline's affair; a resend must do nothing.
      if (flight.effect !== 'read') defuse(flight.command)
      reads.record(false, 'deadline')
    } else {
      line.expired(flight)
      drain()
      if (!connecting && flight.effect !== 'read' && !pulse().known)
        reads.record(false, 'no server time')
    }
    report(flight, 'deadline')
    flight.fail(
      connecting
        ? unavailable(
            'connecting',
            `${flight.what}: Redis was not connected in time`,
            deps.lastError(),
          )
        : unavailable(
            'deadline',
            `${flight.what}: no answer within ${Math.round(flight.durationMs)} ms`,
          ),
    )
  }

  return {
    get pending() {
      return inFlight.size
    },
    get queued() {
      return line.calls
    },
    refusal,
    submit,
    flight: (source) => createFlight(source, expired),
    drain,
    turn: courier.turn,
    letGo() {
      courier.turn()
      const cause = deps.lastError()
      for (const flight of line.clear())
        settle(flight, unavailable('not-ready', 'Redis is not ready', cause))
      for (const flight of inFlight) {
        lost(
          flight,
          unavailable('connection-lost', `${flight.what}: the connection was lost`, cause),
        )
      }
    },
    ask: courier.ask,
    idle: () =>
      open === 0 ? Promise.resolve() : new Promise((resolve) => void whenIdle.push(resolve)),
  }
}
