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
        if (partial === undefined) reject(error)
        else {
          partial(error, chunk)
          done()
        }
      }
      send(make(chunk, succeed, fail, from))
    }
  })
}
