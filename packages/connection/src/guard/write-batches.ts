import type { Argument } from '../connection.ts'
import type { CorralError } from '../errors.ts'
import type { EachScript } from '../script.ts'
import type { Flight } from './flight.ts'
import type { Link } from './link.ts'
import { errorWord, judgeReply } from './reply-errors.ts'

/** Most keys in one shared script: under 0.2 ms of the server's time. */
export const MOST_KEYS_PER_SCRIPT = 100

interface EachBatch {
  readonly script: EachScript
  readonly slot: number
  readonly durationMs: number
  readonly order: number
  readonly keys: string[]
  readonly args: Argument[]
  readonly resolves: ((value: unknown) => void)[]
  readonly rejects: ((error: CorralError) => void)[]
}

/** The writes of one tick, in the order of the calls as far as it can be told from outside. */
export interface WriteBatches {
  /** One key's share of a script; calls of one tick with the same script and slot share it. */
  each(
    script: EachScript,
    key: string,
    slot: number,
    args: readonly Argument[],
    durationMs: number,
  ): Promise<unknown>
  /** A write that stands by itself: nothing asked for later joins a batch before it. */
  alone(flight: Flight): void
  /** Adds what was gathered to the flights of this tick. */
  flush(flights: Flight[]): void
}

/** @param schedule called when there is something to flush */
export function createWriteBatches(link: Link, schedule: () => void): WriteBatches {
  let writes: (EachBatch | Flight)[] = []
  /** The last batch of this tick that holds a key: program order must survive the grouping. */
  let lastWrite = new Map<string, number>()
  /** No batch before this one may be joined. */
  let barrier = 0

  function openBatch(script: EachScript, key: string, slot: number, durationMs: number): EachBatch {
    const first = Math.max(barrier, lastWrite.get(key) ?? 0)
    for (let i = writes.length - 1; i >= first; i--) {
      const open = writes[i] as EachBatch
      if (
        open.script === script &&
        open.slot === slot &&
        open.durationMs === durationMs &&
        open.keys.length < MOST_KEYS_PER_SCRIPT
      ) {
        return open
      }
    }
    const batch: EachBatch = {
      script,
      slot,
      durationMs,
      order: writes.length,
      keys: [],
      args: [],
      resolves: [],
      rejects: [],
    }
    writes.push(batch)
    schedule()
    return batch
  }

  return {
    each(script, key, slot, args, durationMs) {
      const refused = link.refusal(script.memory)
      if (refused !== undefined) return Promise.reject(refused)
      const batch = openBatch(script, key, slot, durationMs)
      lastWrite.set(key, batch.order)
      return new Promise((resolve, reject) => {
        batch.keys.push(key)
        for (const arg of args) batch.args.push(arg)
        batch.resolves.push(resolve)
        batch.rejects.push(reject)
      })
    },
    alone(flight) {
      writes.push(flight)
      barrier = writes.length
      schedule()
    },
    flush(flights) {
      if (writes.length === 0) return
      for (const write of writes) flights.push('resolves' in write ? flightOf(link, write) : write)
      writes = []
      lastWrite = new Map()
      barrier = 0
    },
  }
}

function flightOf(link: Link, batch: EachBatch): Flight {
  const { script, keys, args, durationMs, resolves, rejects } = batch
  return eachFlight(
    link,
    { script, keys, args, durationMs },
    (values) => tellEach(batch, values),
    (error) => {
      for (let i = 0; i < resolves.length; i++) rejects[i]?.(error)
    },
  )
}

/** Resolves or rejects each caller; names the error word when Redis refused to write an element. */
function tellEach(
  { script, resolves, rejects }: EachBatch,
  values: readonly unknown[],
): string | undefined {
  let trouble: string | undefined
  for (let i = 0; i < resolves.length; i++) {
    const value = values[i]
    if (value instanceof Error) {
      const verdict = judgeReply(value, script.name)
      if (verdict.blame === 'write') trouble = errorWord(value)
      rejects[i]?.(verdict.error)
    } else resolves[i]?.(value)
  }
  return trouble
}

/** The flight of an {@link EachScript} over some keys. */
export function eachFlight(
  link: Link,
  part: {
    readonly script: EachScript
    readonly keys: string[]
    readonly args: readonly Argument[]
    readonly durationMs: number
  },
  succeed: (values: unknown[]) => string | undefined,
  fail: (error: CorralError) => void,
): Flight {
  const { script, keys, args, durationMs } = part
  return link.flight({
    what: script.name,
    effect: script.memory,
    calls: keys.length,
    bytes: sizeOf(args),
    durationMs,
    key: keys[0],
    payload: { script, keys, args },
    succeed: (reply) => succeed(reply as unknown[]),
    fail,
  })
}

/** Bytes of arguments, roughly: characters count as one. */
export function sizeOf(args: readonly Argument[]): number {
  let bytes = 0
  for (const arg of args) bytes += typeof arg === 'number' ? 8 : arg.length
  return bytes
}
