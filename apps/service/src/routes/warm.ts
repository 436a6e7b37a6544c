import type { Reader } from '../reader.ts'

/** Keys loaded at once: enough to be quick, few enough to leave the source room for requests. */
const CONCURRENCY = 16

export interface WarmReport {
  /** Keys that were loaded now. */
  readonly loaded: number
  /** Keys that the cache had already. */
  readonly present: number
  /** Keys that the source has nothing of. */
  readonly absent: string[]
  /** Keys whose load failed. */
  readonly failed: string[]
}

/** Makes sure that the cache holds each of the keys. */
export async function warm(
  reader: Reader,
  keys: readonly string[],
  ttl: number | undefined,
): Promise<WarmReport> {
  let loaded = 0
  let present = 0
  const absent: string[] = []
  const failed: string[] = []
  const rest = new Set(keys).values()

  async function work(): Promise<void> {
    // All workers take from one iterator.
    for (const key of rest) {
      try {
        const { value, from } = await reader.read(key, ttl === undefined ? {} : { ttl })
        if (value === null) absent.push(key)
        else if (from === 'cache') present++
        else loaded++
      } catch {
        failed.push(key)
      }
    }
  }

  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  return { loaded, present, absent, failed }
}
