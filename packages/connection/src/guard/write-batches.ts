import type { Argument } from '../connection.ts'
import type { CorralError } from '../errors.ts'
import type { EachScript } from '../script.ts'
import type { Flight } from './flight.ts'
import type { Link } from './link.ts'
import { errorWord, judgeReply } from './reply-errors.ts'

/** Most keys in one script: under 0.2 ms of the server's time. */
export const MOST_KEYS_PER_SCRIPT = 100
/**
 * In a stream of writes, while nothing is under way, a script that so many calls share leaves at once:
 * the server works on it while the next one is made. Measured: 64 callers who waited for the last of
 * a tick were answered half as fast.
 */
export const EARLY_BATCH = 32
/** After so many ticks with many writes each they are a stream; a burst leaves as one script. */
export const STREAM_TICKS = 8
const STREAM_CALLS = EARLY_BATCH / 2

interface EachBatch {
  readonly script: EachScript
  readonly durationMs: number
  readonly keys: string[]
  readonly args: Argument[]
  readonly resolves: ((value: unknown) => void)[]
  readonly rejects: ((error: CorralError) => void)[]
}

/** The open batches of one slot: only among them can two writes be about one key. */
interface Lane {
  readonly slot: number
  readonly batches: EachBatch[]
  /** Which of them wrote a key last; kept once a write could join one before the newest. */
  lastWrite: Map<string, number> | undefined
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
  /** Adds what was gathered to the flights of this tick, which is over unless a script was full. */
  flush(flights: Flight[], tickEnds: boolean): void
}

/**
 * @param schedule called when there is something to flush
 * @param full called when it should be flushed now
 */
export function createWriteBatches(
  link: Link,
  schedule: () => void,
  full: () => void,
): WriteBatches {
  let writes: (EachBatch | Flight)[] = []
  /** The lane of the last write; mostly the only one. */
  let lane: Lane | undefined
  let lanes: Map<number, Lane> | undefined
  let callsOfTick = 0
  let ticksWithMany = 0

  function laneOf(slot: number): Lane {
    if (lane?.slot === slot) return lane
    if (lane !== undefined) lanes ??= new Map([[lane.slot, lane]])
    lane = lanes?.get(slot)
    if (lane === undefined) {
      lane = { slot, batches: [], lastWrite: undefined }
      lanes?.set(slot, lane)
    }
    return lane
  }

  /**
   * Nothing that comes later may join a batch of now. A new map, not an emptied one: V8 links the
   * table of an emptied map to the next, and so would keep all of them with what they held.
   */
  function closeBatches(): void {
    lane = undefined
    lanes = undefined
  }

  /** Program order must survive the grouping: a write never joins a batch before its key's last. */
  function openBatch(script: EachScript, key: string, slot: number, durationMs: number): EachBatch {
    const open = laneOf(slot)
    const { batches } = open
    let at = batches.length - 1
    const newest = batches[at]
    if (newest !== undefined && !takes(newest, script, durationMs)) {
      // Another kind of write came between. Most ticks have one kind and never need the map.
      open.lastWrite ??= lastWrites(batches)
      const first = open.lastWrite.get(key) ?? 0
      do at--
      while (at >= first && !takes(batches[at]!, script, durationMs))
      if (at < first) at = -1
    }
    if (at < 0) {
      const batch: EachBatch = { script, durationMs, keys: [], args: [], resolves: [], rejects: [] }
      at = batches.push(batch) - 1
      writes.push(batch)
      schedule()
    }
    open.lastWrite?.set(key, at)
    return batches[at]!
  }

  function isFull({ keys }: EachBatch): boolean {
    if (keys.length >= MOST_KEYS_PER_SCRIPT) return true
    return keys.length === EARLY_BATCH && ticksWithMany >= STREAM_TICKS && link.pending === 0
  }

  return {
    each(script, key, slot, args, durationMs) {
      const refused = link.refusal(script.memory)
      if (refused !== undefined) return Promise.reject(refused)
      const batch = openBatch(script, key, slot, durationMs)
      return new Promise((resolve, reject) => {
        batch.keys.push(key)
        for (const arg of args) batch.args.push(arg)
        batch.resolves.push(resolve)
        batch.rejects.push(reject)
        callsOfTick++
        if (isFull(batch)) full()
      })
    },
    alone(flight) {
      writes.push(flight)
      closeBatches()
      schedule()
    },
    flush(flights, tickEnds) {
      if (tickEnds) {
        ticksWithMany = callsOfTick >= STREAM_CALLS ? ticksWithMany + 1 : 0
        callsOfTick = 0
      }
      if (writes.length === 0) return
      for (const write of writes) flights.push('resolves' in write ? flightOf(link, write) : write)
      writes = []
      closeBatches()
    },
  }
}

function takes(batch: EachBatch, script: EachScript, durationMs: number): boolean {
  return batch.script === script && batch.durationMs === durationMs
}

function lastWrites(batches: readonly EachBatch[]): Map<string, number> {
  const last = new Map<string, number>()
  for (const [at, { keys }] of batches.entries()) for (const key of keys) last.set(key, at)
  return last
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
