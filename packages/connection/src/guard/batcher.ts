import type { Argument, ReadCommand } from '../connection.ts'
import type { CorralError } from '../errors.ts'
import type { EachScript, Script } from '../script.ts'
import type { ResolvedOptions } from '../options.ts'
import type { Flight } from './flight.ts'
import type { Link } from './link.ts'
import { errorWord, judgeReply } from './reply-errors.ts'

/** Most keys in one MGET or one shared script: under 0.2 ms of the server's time. */
const MOST_KEYS = 100
/** Most bytes one MGET should bring back, by the running mean of value sizes. */
const MOST_REPLY_BYTES = 256 * 1024

type Resolve = (value: unknown) => void
type Reject = (error: CorralError) => void

interface Batch {
  readonly durationMs: number
  readonly startedAt: number
  readonly keys: string[]
  readonly resolves: Resolve[]
  readonly rejects: Reject[]
}

interface GetBatch extends Batch {
  readonly encoding: 'utf8' | 'buffer'
}

interface EachBatch extends Batch {
  readonly script: EachScript
  readonly slot: number
  readonly args: Argument[]
  readonly order: number
}

/** Told which part of a bulk call failed; its elements are `null` then. Left out: the call rejects. */
export type Partial = (error: CorralError, keys: readonly string[]) => void

/** Gathers what is asked of one server in one tick and sends it together. */
export interface Batcher {
  get(key: string, encoding: 'utf8' | 'buffer', durationMs: number): Promise<unknown>
  getMany(
    keys: readonly string[],
    encoding: 'utf8' | 'buffer',
    durationMs: number,
    partial: Partial | undefined,
  ): Promise<unknown[]>
  read(command: ReadCommand, durationMs: number): Promise<unknown>
  /** A command without a key, such as INFO, SCAN or PUBLISH. */
  plain(name: string, args: readonly Argument[], durationMs: number): Promise<unknown>
  script(script: Script, keys: readonly string[], args: readonly Argument[], durationMs: number): Promise<unknown>
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

/**
 * @param oneKeyPerGet true in a cluster, where MGET may not cross slots
 */
export function createBatcher(link: Link, options: ResolvedOptions, oneKeyPerGet: boolean): Batcher {
  const { clock } = options
  let gets: GetBatch[] = []
  let eaches: EachBatch[] = []
  let singles: Flight[] = []
  /** The last batch of this tick that holds a key: program order must survive the grouping. */
  let lastWrite = new Map<string, number>()
  let scheduled = false
  let meanReplyBytes = 200

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    // After the microtasks: whoever was woken by one reply asks again in the same batch.
    process.nextTick(flush)
  }

  /** Writes first: a read of the same tick sees them. */
  function flush(): void {
    scheduled = false
    const flights = singles
    singles = []
    if (eaches.length > 0) {
      for (const batch of eaches) addEach(batch, flights)
      eaches = []
      lastWrite = new Map()
    }
    for (const batch of gets) addGets(batch, flights)
    gets = []
    link.submit(flights)
  }

  // ---- GET --------------------------------------------------------------------------------------

  function get(key: string, encoding: 'utf8' | 'buffer', durationMs: number): Promise<unknown> {
    const refused = link.refusal('read')
    if (refused !== undefined) return Promise.reject(refused)
    let batch: GetBatch | undefined
    for (const open of gets) {
      if (open.durationMs === durationMs && open.encoding === encoding) batch = open
    }
    if (batch === undefined) {
      batch = { durationMs, encoding, startedAt: clock.now(), keys: [], resolves: [], rejects: [] }
      gets.push(batch)
      schedule()
    }
    const { keys, resolves, rejects } = batch
    return new Promise((resolve, reject) => {
      keys.push(key)
      resolves.push(resolve)
      rejects.push(reject)
    })
  }

  function chunkSize(): number {
    if (oneKeyPerGet) return 1
    return Math.max(1, Math.min(MOST_KEYS, Math.floor(MOST_REPLY_BYTES / meanReplyBytes)))
  }

  function addGets(batch: GetBatch, flights: Flight[]): void {
    const size = chunkSize()
    for (let from = 0; from < batch.keys.length; from += size) {
      const to = Math.min(from + size, batch.keys.length)
      const { resolves, rejects } = batch
      flights.push(
        getFlight(batch.keys.slice(from, to), batch, (values) => {
          for (let i = from; i < to; i++) resolves[i]?.(values[i - from])
        }, (error) => {
          for (let i = from; i < to; i++) rejects[i]?.(error)
        }),
      )
    }
  }

  function getFlight(
    keys: string[],
    { durationMs, startedAt, encoding }: Pick<GetBatch, 'durationMs' | 'startedAt' | 'encoding'>,
    succeed: (values: unknown[]) => void,
    fail: (error: CorralError) => void,
  ): Flight {
    const single = oneKeyPerGet
    return link.flight({
      what: single ? 'GET' : 'MGET',
      calls: keys.length,
      durationMs,
      startedAt,
      encoding,
      key: keys[0],
      payload: { name: single ? 'get' : 'mget', args: keys },
      succeed(reply) {
        const values = single ? [reply] : (reply as unknown[])
        noteSizes(values)
        succeed(values)
        return undefined
      },
      fail(error) {
        // A GET of another type is an error where MGET answers null: the same miss either way.
        if (single && error.code === 'WRONG_TYPE') succeed([null])
        else fail(error)
      },
    })
  }

  function noteSizes(values: readonly unknown[]): void {
    let bytes = 0
    for (const value of values) bytes += ((value as { length?: number } | null)?.length ?? 0) + 16
    meanReplyBytes += (bytes / values.length - meanReplyBytes) / 8
  }

  function getMany(
    keys: readonly string[],
    encoding: 'utf8' | 'buffer',
    durationMs: number,
    partial: Partial | undefined,
  ): Promise<unknown[]> {
    const part = { durationMs, encoding, startedAt: clock.now() }
    return inChunks(keys, chunkSize(), partial, (chunk, succeed, fail) =>
      getFlight(chunk, part, succeed, fail),
    )
  }

  /** Sends a bulk call in chunks and puts the answers together in order. */
  function inChunks(
    keys: readonly string[],
    size: number,
    partial: Partial | undefined,
    make: (
      chunk: string[],
      succeed: (values: unknown[]) => void,
      fail: (error: CorralError) => void,
      from: number,
    ) => Flight,
  ): Promise<unknown[]> {
    const out = new Array<unknown>(keys.length).fill(null)
    if (keys.length === 0) return Promise.resolve(out)
    return new Promise((resolve, reject) => {
      let left = Math.ceil(keys.length / size)
      const done = (): void => {
        if (--left === 0) resolve(out)
      }
      for (let from = 0; from < keys.length; from += size) {
        const chunk = keys.slice(from, from + size)
        const flight = make(
          chunk,
          (values) => {
            for (let i = 0; i < chunk.length; i++) out[from + i] = values[i]
            done()
          },
          (error) => {
            if (partial === undefined) reject(error)
            else {
              partial(error, chunk)
              done()
            }
          },
          from,
        )
        singles.push(flight)
      }
      schedule()
    })
  }

  // ---- other commands ---------------------------------------------------------------------------

  function single(
    what: string,
    effect: 'read' | 'grow' | 'shrink',
    key: string | undefined,
    payload: Flight['payload'],
    durationMs: number,
    encoding: 'utf8' | 'buffer' = 'utf8',
    bytes = 0,
  ): Promise<unknown> {
    const refused = link.refusal(effect)
    if (refused !== undefined) return Promise.reject(refused)
    return new Promise((resolve, reject) => {
      const flight = link.flight({
        what,
        effect,
        durationMs,
        bytes,
        encoding,
        key,
        startedAt: clock.now(),
        payload,
        succeed(reply) {
          resolve(reply)
          return undefined
        },
        fail: reject,
      })
      singles.push(flight)
      schedule()
    })
  }

  // ---- scripts ----------------------------------------------------------------------------------

  function scriptEach(
    script: EachScript,
    key: string,
    slot: number,
    args: readonly Argument[],
    durationMs: number,
  ): Promise<unknown> {
    const refused = link.refusal(script.memory)
    if (refused !== undefined) return Promise.reject(refused)
    const batch = openBatch(script, key, slot, durationMs)
    lastWrite.set(key, batch.order)
    const { keys, resolves, rejects, args: all } = batch
    return new Promise((resolve, reject) => {
      keys.push(key)
      for (const arg of args) all.push(arg)
      resolves.push(resolve)
      rejects.push(reject)
    })
  }

  function openBatch(script: EachScript, key: string, slot: number, durationMs: number): EachBatch {
    const after = lastWrite.get(key) ?? -1
    for (let i = eaches.length - 1; i >= 0 && i >= after; i--) {
      const open = eaches[i]!
      if (
        open.script === script &&
        open.slot === slot &&
        open.durationMs === durationMs &&
        open.keys.length < MOST_KEYS
      ) {
        return open
      }
    }
    const batch: EachBatch = {
      script,
      slot,
      durationMs,
      startedAt: clock.now(),
      order: eaches.length,
      keys: [],
      args: [],
      resolves: [],
      rejects: [],
    }
    eaches.push(batch)
    schedule()
    return batch
  }

  function addEach(batch: EachBatch, flights: Flight[]): void {
    const { resolves, rejects } = batch
    flights.push(
      eachFlight(
        batch.script,
        batch.keys,
        batch.args,
        batch,
        (values) => tellEach(batch.script, values, resolves, rejects),
        (error) => {
          for (const reject of rejects) reject(error)
        },
      ),
    )
  }

  /** Resolves or rejects each caller; names the error word when Redis refused to write an element. */
  function tellEach(
    script: Script,
    values: readonly unknown[],
    resolves: readonly Resolve[],
    rejects: readonly Reject[],
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

  function eachFlight(
    script: EachScript,
    keys: string[],
    args: Argument[],
    { durationMs, startedAt }: { readonly durationMs: number; readonly startedAt: number },
    succeed: (values: unknown[]) => string | undefined,
    fail: (error: CorralError) => void,
  ): Flight {
    return link.flight({
      what: script.name,
      effect: script.memory,
      calls: keys.length,
      bytes: sizeOf(args),
      durationMs,
      startedAt,
      key: keys[0],
      payload: { script, keys, args },
      succeed: (reply) => succeed(reply as unknown[]),
      fail,
    })
  }

  function scriptMany(
    script: EachScript,
    keys: readonly string[],
    args: readonly Argument[],
    durationMs: number,
    partial: Partial | undefined,
  ): Promise<unknown[]> {
    const part = { durationMs, startedAt: clock.now() }
    const per = script.argsPerKey
    return inChunks(keys, MOST_KEYS, partial, (chunk, succeed, fail, from) => {
      const chunkArgs = args.slice(from * per, (from + chunk.length) * per)
      const told = (values: unknown[]): string | undefined => {
        let trouble: string | undefined
        let error: CorralError | undefined
        for (const value of values) {
          if (!(value instanceof Error)) continue
          const verdict = judgeReply(value, script.name)
          error ??= verdict.error
          if (verdict.blame === 'write') trouble = errorWord(value)
        }
        if (error !== undefined && partial === undefined) fail(error)
        else succeed(values.map((value) => (value instanceof Error ? judgeReply(value, script.name).error : value)))
        return trouble
      }
      return eachFlight(script, chunk, chunkArgs, part, told, fail)
    })
  }

  return {
    get,
    getMany,
    scriptEach,
    scriptMany,
    read: (command, durationMs) =>
      single(
        command.name.toUpperCase(),
        'read',
        command.key,
        { name: command.name, args: [command.key, ...(command.args ?? [])] },
        durationMs,
        command.encoding,
      ),
    plain: (name, args, durationMs) =>
      single(name.toUpperCase(), 'read', undefined, { name, args }, durationMs),
    script: (script, keys, args, durationMs) =>
      single(script.name, script.memory, keys[0], { script, keys, args }, durationMs, 'utf8', sizeOf(args)),
  }
}

function sizeOf(args: readonly Argument[]): number {
  let bytes = 0
  for (const arg of args) bytes += typeof arg === 'number' ? 8 : arg.length
  return bytes
}
