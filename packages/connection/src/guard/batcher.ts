import type { Argument, ReadCommand } from '../connection.ts'
import type { CorralError } from '../errors.ts'
import type { EachScript, Script } from '../script.ts'
import { inChunks, type Partial } from './bulk.ts'
import type { Flight, FlightSource } from './flight.ts'
import { createGetBatches, type Encoding, type GetBatches } from './get-batches.ts'
import type { Link } from './link.ts'
import { errorWord, judgeReply } from './reply-errors.ts'
import { createWriteBatches, eachFlight, MOST_KEYS_PER_SCRIPT, sizeOf } from './write-batches.ts'

/** Gathers what is asked of one server in one tick and sends it together. */
export interface Batcher {
  readonly get: GetBatches['get']
  readonly ask: GetBatches['ask']
  getMany(
    keys: readonly string[],
    encoding: Encoding,
    durationMs: number,
    partial: Partial | undefined,
  ): Promise<unknown[]>
  read(command: ReadCommand, durationMs: number): Promise<unknown>
  /** A command without a key, such as INFO, SCAN or PUBLISH. */
  plain(name: string, args: readonly Argument[], durationMs: number): Promise<unknown>
  script(
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
    durationMs: number,
  ): Promise<unknown>
  scriptEach(
    script: EachScript,
    key: string,
    slot: number,
    args: readonly Argument[],
    durationMs: number,
  ): Promise<unknown>
  scriptMany(
    script: EachScript,
    keys: readonly string[],
    args: readonly Argument[],
    durationMs: number,
    partial: Partial | undefined,
  ): Promise<unknown[]>
}

/** @param oneKeyPerGet true in a cluster, where MGET may not cross slots */
export function createBatcher(link: Link, oneKeyPerGet: boolean): Batcher {
  const gets = createGetBatches(link, oneKeyPerGet, schedule)
  const writes = createWriteBatches(link, schedule, sendWrites)
  let reads: Flight[] = []
  let scheduled = false

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    // After the microtasks: whoever was woken by one reply asks again in the same batch.
    process.nextTick(flush)
  }

  /** Writes first: a read of the same tick sees them. */
  function flush(): void {
    scheduled = false
    const flights: Flight[] = []
    writes.flush(flights, true)
    if (reads.length > 0) {
      for (const flight of reads) flights.push(flight)
      reads = []
    }
    gets.flush(flights)
    link.submit(flights)
  }

  function sendWrites(): void {
    const flights: Flight[] = []
    writes.flush(flights, false)
    link.submit(flights)
  }

  function sendRead(flight: Flight): void {
    reads.push(flight)
    schedule()
  }

  /** One call that is one command. */
  function single(
    source: Omit<FlightSource, 'succeed' | 'fail'>,
    send: (flight: Flight) => void,
  ): Promise<unknown> {
    const refused = link.refusal(source.effect ?? 'read')
    if (refused !== undefined) return Promise.reject(refused)
    return new Promise((resolve, reject) => {
      const succeed = (reply: unknown): undefined => {
        resolve(reply)
      }
      send(link.flight({ ...source, succeed, fail: reject }))
    })
  }

  function scriptMany(
    script: EachScript,
    keys: readonly string[],
    args: readonly Argument[],
    durationMs: number,
    partial: Partial | undefined,
  ): Promise<unknown[]> {
    const per = args.length / keys.length
    return inChunks(
      keys,
      MOST_KEYS_PER_SCRIPT,
      partial,
      (chunk, succeed, fail, from) => {
        const part = {
          script,
          keys: chunk,
          args: args.slice(from * per, (from + chunk.length) * per),
          durationMs,
        }
        const told = (values: unknown[]): string | undefined => {
          const { out, error, trouble } = judgeElements(script, values)
          if (error !== undefined && partial === undefined) fail(error)
          else succeed(out)
          return trouble
        }
        return eachFlight(link, part, told, fail)
      },
      (flight) => writes.alone(flight),
    )
  }

  return {
    get: gets.get,
    ask: gets.ask,
    getMany: (keys, encoding, durationMs, partial) =>
      inChunks(
        keys,
        gets.chunkSize(),
        partial,
        (chunk, succeed, fail) => gets.flight(chunk, { encoding, durationMs }, succeed, fail),
        sendRead,
      ),
    scriptEach: (script, key, slot, args, durationMs) =>
      writes.each(script, key, slot, args, durationMs),
    scriptMany,
    read: ({ name, key, args = [], encoding = 'utf8' }, durationMs) =>
      single(
        {
          what: name.toUpperCase(),
          key,
          durationMs,
          encoding,
          payload: { name, args: [key, ...args] },
        },
        sendRead,
      ),
    plain: (name, args, durationMs) =>
      single({ what: name.toUpperCase(), durationMs, payload: { name, args } }, sendRead),
    script: (script, keys, args, durationMs) =>
      single(
        {
          what: script.name,
          effect: script.memory,
          key: keys[0],
          bytes: sizeOf(args),
          durationMs,
          payload: { script, keys, args },
        },
        (flight) => writes.alone(flight),
      ),
  }
}

/** Puts our own errors in the place of those that Redis put into a reply. */
function judgeElements(
  script: Script,
  values: readonly unknown[],
): { out: unknown[]; error: CorralError | undefined; trouble: string | undefined } {
  let error: CorralError | undefined
  let trouble: string | undefined
  const out = values.map((value) => {
    if (!(value instanceof Error)) return value
    const verdict = judgeReply(value, script.name)
    error ??= verdict.error
    if (verdict.blame === 'write') trouble = errorWord(value)
    return verdict.error
  })
  return { out, error, trouble }
}
