import type { IoredisClient, IoredisCommand } from '../client/ioredis-like.ts'
import { alreadyFlat, commandClassOf } from '../client/ioredis-like.ts'
import { commandOf, type Flight } from './flight.ts'
import { errorWord } from './reply-errors.ts'

/** Redis's words for "ask another node". */
const ELSEWHERE: ReadonlySet<string> = new Set(['MOVED', 'ASK', 'TRYAGAIN'])

export interface CourierDeps {
  readonly client: IoredisClient
  /** Sends by the cluster's own routing; false when the cluster cannot take it now. */
  readonly redirect: ((command: IoredisCommand) => boolean) | undefined
  /** The server's clock, in microseconds, at the flight's deadline. */
  deadlineOf(flight: Flight): number
  /** Whether the client can be handed a command now. */
  writable(): boolean
  landed(flight: Flight, reply: unknown): void
  crashed(flight: Flight, error: unknown): void
}

/** Makes ioredis commands of flights, hands them to the client and brings the answers back. */
export interface Courier {
  send(flight: Flight): void
  /** A command outside the bounds: the probe and the question for the server's time. */
  ask(what: 'ping' | 'time', answer: (reply: unknown, error: unknown) => void): void
  /** The connection is another one: answers to what was sent before are nobody's any more. */
  turn(): void
}

export function createCourier(deps: CourierDeps): Courier {
  const { client } = deps
  const Command = commandClassOf(client)
  /**
   * Scripts that this connection has sent in full. Sending the text first, not after a NOSCRIPT,
   * keeps the order of writes: a script that has to be sent twice would act after its followers.
   */
  let loaded = new Set<string>()
  let epoch = 0

  function dispatch(flight: Flight, whole: boolean, redirected: boolean): void {
    const [name, args] = commandOf(flight, deps.deadlineOf(flight), whole)
    const command = new Command(name, alreadyFlat(args), {
      replyEncoding: flight.encoding === 'utf8' ? 'utf8' : null,
    })
    flight.command = command
    const sentIn = epoch
    command.promise.then(
      (reply) => {
        if (sentIn === epoch) deps.landed(flight, reply)
      },
      (error: unknown) => {
        if (sentIn === epoch) refused(flight, error, whole, redirected)
      },
    )
    if (!redirected) client.sendCommand(command as never)
    else if (deps.redirect?.(command) !== true) deps.crashed(flight, new Error('no route'))
  }

  function refused(flight: Flight, error: unknown, whole: boolean, redirected: boolean): void {
    const word = errorWord(error)
    if (word === 'NOSCRIPT') loaded = new Set()
    if (flight.settled || redirected) deps.crashed(flight, error)
    else if (word === 'NOSCRIPT' && !whole) {
      if (deps.writable()) dispatch(flight, true, false)
      else deps.crashed(flight, new Error('no way to send the text'))
    } else if (ELSEWHERE.has(word) && deps.redirect !== undefined) dispatch(flight, true, true)
    else deps.crashed(flight, error)
  }

  return {
    send(flight) {
      const { payload } = flight
      let whole = false
      if ('script' in payload && !loaded.has(payload.script.sha)) {
        whole = true
        loaded.add(payload.script.sha)
      }
      dispatch(flight, whole, false)
    },
    ask(what, answer) {
      const command = new Command(what, [], { replyEncoding: 'utf8' })
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
    },
    turn() {
      epoch++
      loaded = new Set()
    },
  }
}
