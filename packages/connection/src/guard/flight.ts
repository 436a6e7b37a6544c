import type { IoredisCommand } from '../client/ioredis-like.ts'
import type { Argument } from '../connection.ts'
import type { CorralError } from '../errors.ts'
import type { Script } from '../script.ts'
import type { Expirable } from './deadlines.ts'

/** Whether a command may change data, and if so whether it may add to it. */
export type Effect = 'read' | 'grow' | 'shrink'

/**
 * One command of ours on its way: the calls that share it, and how it is told to them. `settled`
 * means that the callers know; the command itself may still be unanswered (`command` is set) and
 * keeps its place in flight until it is.
 */
export interface Flight extends Expirable {
  /** Command or script, for messages and traces. */
  readonly what: string
  readonly effect: Effect
  /** How many calls share it. */
  readonly calls: number
  /** Bytes it holds while unanswered, roughly. */
  readonly bytes: number
  readonly durationMs: number
  /** When the link took it; 0 before. */
  startedAt: number
  deadlineAt: number
  /** Decides the node in a cluster. */
  readonly key: string | undefined
  readonly encoding: 'utf8' | 'buffer'
  payload: PlainPayload | ScriptPayload
  /** The command in flight; gone once it is answered or defused. */
  command: IoredisCommand | undefined
  /**
   * Why a write counts as failed though it may still be carried out. Its callers are told when its
   * deadline has passed: from then on the server refuses it.
   */
  doubt: CorralError | undefined
  /** Tells the callers; names the error word of an element that Redis refused to write. */
  succeed(reply: unknown): string | undefined
  fail(error: CorralError): void
}

export interface PlainPayload {
  readonly name: string
  readonly args: readonly Argument[]
}

export interface ScriptPayload {
  readonly script: Script
  readonly keys: readonly string[]
  readonly args: readonly Argument[]
}

export interface FlightSource {
  readonly what: string
  readonly effect?: Effect
  readonly calls?: number
  readonly bytes?: number
  readonly durationMs: number
  readonly key?: string | undefined
  readonly encoding?: 'utf8' | 'buffer'
  readonly payload: PlainPayload | ScriptPayload
  succeed(reply: unknown): string | undefined
  fail(error: CorralError): void
}

const NOTHING: PlainPayload = { name: 'ping', args: [] }

/**
 * Fills in a flight; `onExpire` is told when its time is over.
 *
 * Once its callers are told it lets go of them and of what it carried: tables that V8 has outgrown
 * keep flights for a while, and the garbage collector would carry their promises and values into
 * the old generation with them. Measured: that doubled the cost of a batched `get`.
 */
export function createFlight(source: FlightSource, onExpire: (flight: Flight) => void): Flight {
  return new SharedCommand(source, onExpire)
}

/** A class for the sake of its methods: as closures they were made anew for every command. */
class SharedCommand implements Flight {
  readonly what: string
  readonly effect: Effect
  readonly calls: number
  readonly bytes: number
  readonly durationMs: number
  readonly key: string | undefined
  readonly encoding: 'utf8' | 'buffer'
  startedAt = 0
  deadlineAt: number = Infinity
  payload: PlainPayload | ScriptPayload
  settled = false
  command: IoredisCommand | undefined = undefined
  doubt: CorralError | undefined = undefined
  #callers: FlightSource | undefined
  readonly #onExpire: (flight: Flight) => void

  constructor(source: FlightSource, onExpire: (flight: Flight) => void) {
    this.what = source.what
    this.effect = source.effect ?? 'read'
    this.calls = source.calls ?? 1
    this.bytes = source.bytes ?? 0
    this.durationMs = source.durationMs
    this.key = source.key
    this.encoding = source.encoding ?? 'utf8'
    this.payload = source.payload
    this.#callers = source
    this.#onExpire = onExpire
  }

  succeed(reply: unknown): string | undefined {
    return this.#tell()?.succeed(reply)
  }

  fail(error: CorralError): void {
    this.#tell()?.fail(error)
  }

  expire(): void {
    this.#onExpire(this)
  }

  #tell(): FlightSource | undefined {
    const callers = this.#callers
    this.#callers = undefined
    this.payload = NOTHING
    return callers
  }
}

/** The command's name and arguments; a script's deadline comes first among its arguments. */
export function commandOf(
  flight: Flight,
  deadlineMicros: number,
  whole: boolean,
): [name: string, args: Argument[]] {
  const { payload } = flight
  if (!('script' in payload)) return [payload.name, payload.args as Argument[]]
  const { script, keys, args } = payload
  const head: Argument[] = whole ? [script.lua] : [script.sha]
  head.push(keys.length)
  return [whole ? 'eval' : 'evalsha', head.concat(keys, deadlineMicros, args)]
}
