import type { IoredisClient, IoredisCommand } from '../client/ioredis-like.ts'
import { commandClassOf, defuse } from '../client/ioredis-like.ts'
import type { TimerHandle } from '../clock.ts'
import type { NodeHealth } from '../health.ts'
import { type CorralError, CorralError as Failure, unavailable } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import { traceChannel } from '../trace.ts'
import { type Breaker, type BreakerState, createBreaker } from './breaker.ts'
import { createDeadlines } from './deadlines.ts'
import { type Effect, type Flight, type FlightSource, commandOf, createFlight } from './flight.ts'
import { errorWord, judgeReply, scrub } from './reply-errors.ts'
import { createServerClock } from './server-clock.ts'

const commandTrace = traceChannel('corral:connection:command')
const breakerTrace = traceChannel('corral:connection:breaker')
const stateTrace = traceChannel('corral:connection:state')

export interface LinkDeps {
  readonly name: string
  readonly client: IoredisClient
  readonly options: ResolvedOptions
  /** Sends a command by the cluster's own routing, when Redis said that the key lives elsewhere. */
  readonly redirect?: (command: IoredisCommand) => void
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
  readonly reconnects: number
  isolate(on: boolean): void
  resetBreakers(): void
  /** Lets go of the client. `retired`: the node left the cluster, which is no fault of the caller. */
  close(retired?: boolean): void
}

/** Redis's words for "ask another node". */
const ELSEWHERE: ReadonlySet<string> = new Set(['MOVED', 'ASK', 'TRYAGAIN'])

type State = 'connecting' | 'ready' | 'down' | 'closed'

/**
 * Guards one ioredis client: gate, breakers, deadlines, bounds, and no late harm. Nothing is handed
 * to the client unless it is `ready` and its socket writable, so nothing of ours ever enters its
 * offline queue.
 */
export function createLink(deps: LinkDeps): Link {
  const { name, client, options } = deps
  const { clock } = options
  const Command = commandClassOf(client)
  const deadlines = createDeadlines(clock)
  const serverClock = createServerClock(clock)
  const inFlight = new Set<Flight>()
  let waiting: Flight[] = []
  let waitingCalls = 0
  let pending = 0
  let pendingBytes = 0
  let drainScheduled = false
  let state: State = /^(wait|connecting|connect)$/.test(client.status) ? 'connecting' : 'down'
  let epoch = 0
  let readies = 0
  let isolated = false
  let lastError: Error | undefined
  let probing = false
  let probeTimer: TimerHandle | undefined
  let writeTrial: Flight | undefined
  let full = false

  const link = createBreaker(options.breaker, (from, to, reason) => {
    trace('read', from, to, reason)
    if (to === 'open') setProbeTimer(probe, options.breaker.openForMs)
    tellUsable()
  })
  const write = createBreaker(options.breaker, (from, to, reason) => trace('write', from, to, reason))
  let writeRetryAt = 0

  function trace(side: 'read' | 'write', from: BreakerState, to: BreakerState, reason: string): void {
    if (breakerTrace.hasSubscribers) breakerTrace.publish({ node: name, side, from, to, reason })
  }

  let toldUsable = false
  function tellUsable(): void {
    const usable = state === 'ready' && link.state === 'closed' && !isolated
    if (usable === toldUsable) return
    toldUsable = usable
    if (stateTrace.hasSubscribers) stateTrace.publish({ node: name, state: usable ? 'usable' : 'away' })
    deps.onUsable(self, usable)
  }

  // ---- gate -------------------------------------------------------------------------------------

  function writable(): boolean {
    return client.status === 'ready' && client.stream?.writable === true
  }

  function refusal(effect: Effect): CorralError | undefined {
    if (waitingCalls >= options.maxQueued) {
      return unavailable('overloaded', `more than ${options.maxQueued} calls wait for Redis`)
    }
    return gate(effect)
  }

  function gate(effect: Effect): CorralError | undefined {
    if (state === 'closed') return new Failure('CONNECTION_CLOSED', 'this connection was closed')
    if (isolated) return unavailable('isolated', 'Redis was taken out by isolate()')
    if (state === 'down' || (state === 'ready' && !writable())) {
      return unavailable('not-ready', `Redis is not ready (the client is ${client.status})`, lastError)
    }
    if (link.state !== 'closed') return unavailable('breaker-open', 'Redis did not answer lately')
    return effect === 'read' ? undefined : writeRefusal(effect)
  }

  function writeRefusal(effect: Effect): CorralError | undefined {
    if (write.state === 'closed' || (full && effect === 'shrink')) return undefined
    const trialIsOut = writeTrial !== undefined && !writeTrial.settled
    if (!trialIsOut && clock.now() >= writeRetryAt) return undefined
    return full
      ? new Failure('REDIS_FULL', 'Redis was full lately; writes pause')
      : unavailable('breaker-open', 'Redis took no writes lately')
  }

  function mustWait(flight: Flight): boolean {
    return (
      state === 'connecting' ||
      pending >= options.maxPending ||
      (flight.bytes > 0 && pendingBytes > 0 && pendingBytes + flight.bytes > options.maxPendingBytes) ||
      (flight.effect !== 'read' && !serverClock.known)
    )
  }

  // ---- sending ----------------------------------------------------------------------------------

  function submit(flights: readonly Flight[]): void {
    const stream = client.stream
    stream?.cork()
    for (const flight of flights) {
      if (flight.settled) continue
      const refused = refusal(flight.effect)
      if (refused !== undefined) {
        settle(flight, refused)
        continue
      }
      deadlines.add(flight, flight.durationMs)
      if (waiting.length > 0 || mustWait(flight)) enqueue(flight)
      else send(flight)
    }
    stream?.uncork()
  }

  function enqueue(flight: Flight): void {
    waiting.push(flight)
    waitingCalls += flight.calls
  }

  function send(flight: Flight): void {
    if (flight.effect !== 'read' && write.state !== 'closed' && !(full && flight.effect === 'shrink')) {
      write.halfOpen('trial')
      writeTrial = flight
    }
    inFlight.add(flight)
    pending++
    pendingBytes += flight.bytes
    dispatch(flight, false)
    if (flight.effect !== 'read' && serverClock.stale) learnTime()
  }

  /** @param whole EVAL with the script's text instead of EVALSHA */
  function dispatch(flight: Flight, whole: boolean, redirected = false): void {
    const [commandName, args] = commandOf(flight, serverClock.at(flight.deadlineAt), whole)
    const command = new Command(commandName, args, {
      replyEncoding: flight.encoding === 'utf8' ? 'utf8' : null,
    })
    flight.command = command
    const sentIn = epoch
    command.promise.then(
      (reply) => {
        if (sentIn === epoch) landed(flight, reply)
      },
      (error: unknown) => {
        if (sentIn !== epoch) return
        const word = errorWord(error)
        if (flight.settled || redirected) crashed(flight, error)
        else if (word === 'NOSCRIPT' && !whole && writable()) dispatch(flight, true)
        else if (ELSEWHERE.has(word) && deps.redirect !== undefined) dispatch(flight, true, true)
        else crashed(flight, error)
      },
    )
    if (redirected) deps.redirect?.(command)
    else client.sendCommand(command as never)
  }

  // ---- answers ----------------------------------------------------------------------------------

  /** Gives the place in flight back and lets the next ones go, once per tick. */
  function release(flight: Flight): void {
    flight.command = undefined
    if (!inFlight.delete(flight)) return
    pending--
    pendingBytes -= flight.bytes
    if (waiting.length > 0) scheduleDrain()
  }

  function settle(flight: Flight, error: CorralError): void {
    if (flight.settled) return
    flight.settled = true
    deadlines.prune(flight.durationMs)
    flight.fail(error)
  }

  function report(flight: Flight, outcome: 'ok' | 'error' | 'deadline' | 'lost'): void {
    if (!commandTrace.hasSubscribers) return
    const duration = clock.now() - flight.startedAt
    commandTrace.publish({ node: name, command: flight.what, calls: flight.calls, duration, outcome })
  }

  function landed(flight: Flight, reply: unknown): void {
    release(flight)
    if (flight.settled) return
    link.record(true, '')
    report(flight, 'ok')
    flight.settled = true
    deadlines.prune(flight.durationMs)
    const trouble = flight.succeed(reply)
    if (trouble !== undefined) closeForWrites(trouble)
    else if (flight === writeTrial) {
      full = false
      write.close('a write was taken')
    }
  }

  function crashed(flight: Flight, error: unknown): void {
    const word = errorWord(error)
    release(flight)
    const verdict = judgeReply(error, flight.what)
    if (verdict.blame === 'link') link.record(false, word)
    else link.record(true, '')
    if (verdict.blame === 'write') closeForWrites(word)
    // Refused though our own deadline has not passed: the server's clock was set.
    if (verdict.blame === 'late' && !flight.settled) learnTime()
    if (!flight.settled) report(flight, 'error')
    settle(flight, verdict.error)
  }

  function closeForWrites(word: string): void {
    full = word === 'OOM'
    writeRetryAt = clock.now() + options.breaker.openForMs
    write.open(word)
  }

  function expired(flight: Flight): void {
    if (flight.command !== undefined) {
      // Already written bytes are the script's own deadline's affair; a resend must do nothing.
      if (flight.effect !== 'read') defuse(flight.command)
      link.record(false, 'deadline')
    } else {
      // The next drain drops it from the queue.
      waitingCalls -= flight.calls
      scheduleDrain()
      if (state === 'ready' && !serverClock.known) link.record(false, 'no server time')
    }
    report(flight, 'deadline')
    if (state === 'connecting') {
      flight.fail(unavailable('connecting', `${flight.what}: Redis was not connected in time`, lastError))
      return
    }
    flight.fail(unavailable('deadline', `${flight.what}: no answer within ${flight.durationMs} ms`))
  }

  // ---- waiting ----------------------------------------------------------------------------------

  function scheduleDrain(): void {
    if (drainScheduled) return
    drainScheduled = true
    process.nextTick(drain)
  }

  function drain(): void {
    drainScheduled = false
    if (waiting.length === 0) return
    const queue = waiting
    waiting = []
    waitingCalls = 0
    const stream = client.stream
    stream?.cork()
    for (const flight of queue) {
      if (flight.settled) continue
      const refused = gate(flight.effect)
      if (refused !== undefined) settle(flight, refused)
      else if (mustWait(flight)) enqueue(flight)
      else send(flight)
    }
    stream?.uncork()
  }

  // ---- probing and time -------------------------------------------------------------------------

  function setProbeTimer(fn: () => void, afterMs: number): void {
    if (probeTimer !== undefined) clock.clearTimer(probeTimer)
    probeTimer = clock.setTimer(fn, afterMs, { unref: true })
  }

  /**
   * At most one probe is out: on a hung connection a second one would only queue behind it, and
   * its late answer is the first sign that the server is back.
   */
  function probe(): void {
    probeTimer = undefined
    if (probing || state !== 'ready' || !writable() || link.state === 'closed') return
    link.halfOpen('probe')
    probing = true
    const askedAt = clock.now()
    ask(serverClock.known ? 'ping' : 'time', (reply, error) => {
      probing = false
      if (link.state === 'closed') return
      if (error !== undefined) {
        link.open(errorWord(error))
        setProbeTimer(probe, options.breaker.openForMs)
        return
      }
      const took = clock.now() - askedAt
      if (!serverClock.known) serverClock.learn(reply, askedAt, clock.now())
      if (took > options.deadlineMs) probe()
      else recovered('probe answered')
    })
  }

  function recovered(reason: string): void {
    link.close(reason)
    scheduleDrain()
  }

  /** A command outside the bounds: the probe and the question for the server's time. */
  function ask(what: 'ping' | 'time', answer: (reply: unknown, error: unknown) => void): void {
    const command: IoredisCommand = new Command(what, [], { replyEncoding: 'utf8' })
    const sentIn = epoch
    command.promise.then(
      (reply) => {
        if (sentIn === epoch) answer(reply, undefined)
      },
      (error: unknown) => {
        if (sentIn === epoch) answer(undefined, error)
      },
    )
    client.sendCommand(command as never)
  }

  let asking = false
  function learnTime(onKnown?: () => void): void {
    if (asking || !writable()) return
    asking = true
    const askedAt = clock.now()
    ask('time', (reply, error) => {
      asking = false
      if (error === undefined) serverClock.learn(reply, askedAt, clock.now())
      if (serverClock.known) onKnown?.()
      else link.open(errorWord(error))
    })
  }

  // ---- the client's own life --------------------------------------------------------------------

  function onReady(): void {
    if (state === 'closed') return
    epoch++
    readies++
    state = 'ready'
    asking = probing = false
    lastError = undefined
    serverClock.forget()
    const wasOpen = link.state !== 'closed'
    if (wasOpen) link.halfOpen('ready')
    write.close('ready')
    full = false
    // Doubles as the probe. If it is not answered in time the breaker opens and probing goes on.
    learnTime(() => {
      if (wasOpen) recovered('ready')
      else scheduleDrain()
    })
    if (wasOpen) {
      const readyIn = epoch
      setProbeTimer(() => {
        if (readyIn === epoch && link.state === 'half-open') link.open('no answer after ready')
      }, options.deadlineMs)
    }
    tellUsable()
    scheduleDrain()
  }

  function onDown(): void {
    if (state === 'closed') return
    epoch++
    state = 'down'
    const gone = [...inFlight, ...waiting]
    inFlight.clear()
    waiting = []
    waitingCalls = pending = pendingBytes = 0
    for (const flight of gone) {
      const sent = flight.command !== undefined
      // ioredis will send again what was unanswered: make that harmless first.
      if (flight.command !== undefined) defuse(flight.command)
      flight.command = undefined
      if (!flight.settled) report(flight, 'lost')
      settle(
        flight,
        sent
          ? unavailable('connection-lost', `${flight.what}: the connection was lost`, lastError)
          : unavailable('not-ready', 'Redis is not ready', lastError),
      )
    }
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
    refusal,
    submit,
    flight: (source) => createFlight(source, expired),
    get health() {
      const side = (breaker: Breaker) => (link.state === 'closed' ? breaker.state : link.state)
      return {
        node: name,
        client: client.status,
        read: link.state,
        write: side(write),
        pending,
        queued: waitingCalls,
      }
    },
    get lastError() {
      return lastError
    },
    get usable() {
      return toldUsable
    },
    get reconnects() {
      return Math.max(0, readies - 1)
    },
    isolate(on) {
      isolated = on
      tellUsable()
    },
    resetBreakers() {
      link.close('reset')
      write.close('reset')
      full = false
    },
    close(retired = false) {
      if (state === 'closed') return
      for (const [event, listener] of listeners) client.removeListener(event, listener)
      onDown()
      if (!retired) state = 'closed'
      if (probeTimer !== undefined) clock.clearTimer(probeTimer)
      deadlines.close()
    },
  }

  if (client.status === 'ready') onReady()
  else if (client.status === 'wait') client.connect().catch(() => undefined)
  return self
}
