import type { Asker } from '../connection.ts'
import type { CorralError } from '../errors.ts'
import type { Flight } from './flight.ts'
import { createHandOut } from './hand-out.ts'
import type { Link } from './link.ts'

/** Most keys in one MGET: under 0.2 ms of the server's time. */
const MOST_KEYS = 100
/** Most bytes one MGET should bring back, by the running mean of value sizes. */
const MOST_REPLY_BYTES = 256 * 1024

export type Encoding = 'utf8' | 'buffer'

/** The callers of one command, which brings bytes: what each makes of them is its own affair. */
interface GetBatch {
  readonly durationMs: number
  /** How many keys it takes. */
  readonly room: number
  readonly keys: string[]
  readonly askers: Asker[]
}

/** The GETs of one tick, as few MGETs as their sizes allow. */
export interface GetBatches {
  get(key: string, encoding: Encoding, durationMs: number): Promise<unknown>
  /** As `get`, told by call-back; a refusal is told at once. */
  ask(key: string, durationMs: number, asker: Asker): void
  /** How many keys may share one command now. */
  chunkSize(): number
  /** The flight of one chunk. */
  flight(
    keys: string[],
    part: { readonly encoding: Encoding; readonly durationMs: number },
    succeed: (values: unknown[]) => void,
    fail: (error: CorralError) => void,
  ): Flight
  /** Adds what was gathered to the flights of this tick. */
  flush(flights: Flight[]): void
}

/**
 * @param oneKeyPerGet true in a cluster, where MGET may not cross slots
 * @param schedule called when there is something to flush
 */
export function createGetBatches(
  link: Link,
  oneKeyPerGet: boolean,
  schedule: () => void,
): GetBatches {
  const handOut = createHandOut()
  let batches: GetBatch[] = []
  let meanReplyBytes = 200

  function openBatch(durationMs: number): GetBatch {
    // Of several of one kind only the newest can have room; in a cluster none ever has.
    for (let i = oneKeyPerGet ? -1 : batches.length - 1; i >= 0; i--) {
      const open = batches[i]!
      if (open.durationMs !== durationMs) continue
      if (open.keys.length < open.room) return open
      break
    }
    const room = chunkSize()
    const batch: GetBatch = { durationMs, room, keys: [], askers: [] }
    batches.push(batch)
    schedule()
    return batch
  }

  function chunkSize(): number {
    if (oneKeyPerGet) return 1
    return Math.max(1, Math.min(MOST_KEYS, Math.floor(MOST_REPLY_BYTES / meanReplyBytes)))
  }

  function noteSizes(values: readonly unknown[]): void {
    let bytes = 0
    for (const value of values) bytes += ((value as { length?: number } | null)?.length ?? 0) + 16
    meanReplyBytes += (bytes / values.length - meanReplyBytes) / 8
  }

  const flight: GetBatches['flight'] = (keys, { encoding, durationMs }, succeed, fail) =>
    link.flight({
      what: oneKeyPerGet ? 'GET' : 'MGET',
      calls: keys.length,
      durationMs,
      encoding,
      key: keys[0],
      payload: { name: oneKeyPerGet ? 'get' : 'mget', args: keys },
      succeed(reply) {
        const values = oneKeyPerGet ? [reply] : (reply as unknown[])
        noteSizes(values)
        succeed(values)
        return undefined
      },
      fail(error) {
        // A GET of another type is an error where MGET answers null: the same miss either way.
        if (oneKeyPerGet && error.code === 'WRONG_TYPE') succeed([null])
        else fail(error)
      },
    })

  function flightOf(batch: GetBatch): Flight {
    const { keys, durationMs, askers } = batch
    return flight(
      keys,
      { encoding: 'buffer', durationMs },
      (values) =>
        handOut.tell(askers.length, (at) => askers[at]?.onBytes(values[at] as Buffer | null)),
      (error) => handOut.tellAll(askers.length, (at) => askers[at]?.onError(error)),
    )
  }

  const ask: GetBatches['ask'] = (key, durationMs, asker) => {
    const refused = link.refusal('read')
    if (refused !== undefined) {
      asker.onError(refused)
      return
    }
    const { keys, askers } = openBatch(durationMs)
    keys.push(key)
    askers.push(asker)
    handOut.asked()
  }

  return {
    get: (key, encoding, durationMs) =>
      new Promise((resolve, reject) => {
        ask(key, durationMs, new Waiting(encoding, resolve, reject))
      }),
    ask,
    chunkSize,
    flight,
    flush(flights) {
      if (batches.length === 0) return
      for (const batch of batches) flights.push(flightOf(batch))
      batches = []
    },
  }
}

/** Who waits by a promise. */
class Waiting implements Asker {
  readonly #encoding: Encoding
  readonly #resolve: (value: string | Buffer | null) => void
  readonly onError: (error: CorralError) => void

  constructor(
    encoding: Encoding,
    resolve: (value: string | Buffer | null) => void,
    reject: (error: CorralError) => void,
  ) {
    this.#encoding = encoding
    this.#resolve = resolve
    this.onError = reject
  }

  onBytes(bytes: Buffer | null): void {
    this.#resolve(this.#encoding === 'utf8' && bytes !== null ? bytes.toString() : bytes)
  }
}
