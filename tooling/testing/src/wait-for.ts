import { setTimeout as sleep } from 'node:timers/promises'

export interface WaitForOptions {
  /** How long to wait before failing, in milliseconds. Default 10,000. */
  timeout?: number
  /** What is awaited, for the error message: "the replica to be in sync". */
  what?: string
  /** Pause between two looks, in milliseconds. Default 10. */
  interval?: number
}

/**
 * Waits until `predicate` returns something truthy and returns that. A predicate that throws counts
 * as "not yet"; its last error is told when time is up.
 */
export async function waitFor<T>(
  predicate: () => T | Promise<T>,
  options: WaitForOptions = {},
): Promise<NonNullable<T>> {
  const { timeout = 10_000, what = 'a condition', interval = 10 } = options
  const start = performance.now()
  const until = start + timeout
  let lastError: unknown
  for (;;) {
    try {
      const value = await predicate()
      if (value) return value
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    if (performance.now() >= until) break
    await sleep(interval)
  }
  const spent = Math.round(performance.now() - start)
  const detail = lastError instanceof Error ? `; last error: ${lastError.message}` : ''
  throw new Error(`waited ${spent} ms in vain for ${what}${detail}`, { cause: lastError })
}
