import type { CorralError } from '../errors.ts'
import type { Flight } from './flight.ts'

/** Told which part of a bulk call failed; its elements are `null` then. Left out: the call rejects. */
export type Partial = (error: CorralError, keys: readonly string[]) => void

/** Makes the flight of one chunk, which starts at `from`. */
export type MakeChunk = (
  chunk: string[],
  succeed: (values: unknown[]) => void,
  fail: (error: CorralError) => void,
  from: number,
) => Flight

/** Sends a bulk call in chunks and puts the answers together in order. */
export function inChunks(
  keys: readonly string[],
  size: number,
  partial: Partial | undefined,
  make: MakeChunk,
  send: (flight: Flight) => void,
): Promise<unknown[]> {
  if (keys.length === 0) return Promise.resolve([])
  const out = new Array<unknown>(keys.length).fill(null)
  return new Promise((resolve, reject) => {
    let left = Math.ceil(keys.length / size)
    const done = (): void => {
      if (--left === 0) resolve(out)
    }
    for (let from = 0; from < keys.length; from += size) {
      const chunk = keys.slice(from, from + size)
      const succeed = (values: unknown[]): void => {
        for (let i = 0; i < chunk.length; i++) out[from + i] = values[i]
        done()
      }
      const fail = (error: CorralError): void => {
        if (partial === undefined) {
          reject(error)
          return
        }
        try {
          // A list of the caller's own: that of the chunk belongs to the command.
          partial(error, chunk.slice())
          done()
        } catch (thrown) {
          reject(thrown)
        }
      }
      send(make(chunk, succeed, fail, from))
    }
  })
}

/** Keys of one call that are under way at once: 20 commands, enough to keep client and server busy. */
const MOST_AT_ONCE = 2_000

/**
 * Lets a call over very many keys go in slices, one behind the other, so that it neither fills our
 * own bounds nor makes other calls wait behind all of it. Each slice has the whole deadline; the
 * first one of which nothing is answered ends the call.
 */
export async function inSlices(
  keys: readonly string[],
  room: number,
  partial: Partial | undefined,
  run: (slice: readonly string[], from: number, partial: Partial | undefined) => Promise<unknown[]>,
): Promise<unknown[]> {
  const size = Math.min(MOST_AT_ONCE, room)
  if (keys.length <= size) return run(keys, 0, partial)
  const out: unknown[] = []
  for (let from = 0; from < keys.length; from += size) {
    const slice = keys.slice(from, from + size)
    let failed = 0
    let last: CorralError | undefined
    const told: Partial | undefined =
      partial &&
      ((error, which) => {
        failed += which.length
        last = error
        partial(error, which)
      })
    for (const value of await run(slice, from, told)) out.push(value)
    if (last === undefined || failed < slice.length || out.length === keys.length) continue
    partial?.(last, keys.slice(out.length))
    while (out.length < keys.length) out.push(null)
    break
  }
  return out
}
