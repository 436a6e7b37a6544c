import type { Clock } from '@corral/connection'
import type { MeasuredLocks } from './measured.ts'

/**
 * How many locks of all kinds are held, by anybody, and when Redis said so. Each reader of one
 * read/write lock and each permit of one semaphore counts, as it does with the process that holds it.
 */
export interface ActiveLocks {
  readonly count: number
  /** Epoch ms. */
  readonly at: number
}

/** Asks Redis, as only Redis knows what became of the locks of processes that crashed. */
export interface LocksAsker {
  /** At most as old as was said, unless Redis takes longer than a second; then the last known. */
  ask(): Promise<ActiveLocks | undefined>
}

/** A scrape does not wait longer than this; the answer serves the next one. */
const patienceMs = 1_000

export function createLocksAsker(locks: MeasuredLocks, everyMs: number, clock: Clock): LocksAsker {
  let last: ActiveLocks | undefined
  let askedAt = -Infinity
  let asking: Promise<void> | undefined

  async function walk(): Promise<void> {
    askedAt = clock.now()
    try {
      let count = 0
      for (const { holders } of await locks.list()) count += holders.length
      last = { count, at: clock.wallNow() }
    } catch {
      // What cannot be asked is not known: better no figure than an old one.
      last = undefined
    } finally {
      asking = undefined
    }
  }

  async function patiently(walking: Promise<void>): Promise<void> {
    let stop = (): void => {}
    const late = new Promise<void>((resolve) => {
      const timer = clock.setTimer(resolve, patienceMs, { unref: true })
      stop = () => clock.clearTimer(timer)
    })
    await Promise.race([walking, late])
    stop()
  }

  return {
    async ask() {
      if (everyMs === Infinity) return undefined
      if (asking === undefined && clock.now() - askedAt >= everyMs) asking = walk()
      if (asking !== undefined) await patiently(asking)
      return last
    },
  }
}
