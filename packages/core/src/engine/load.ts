import { ttlMilliseconds, type Ttl } from '../entry/ttl.ts'
import { checkEntryTags, type Policy } from '../policy.ts'
import type { Flight } from './single-flight.ts'

/** What a loader is given. */
export interface LoadContext {
  /** The key that is loaded, as the caller wrote it. */
  readonly key: string
  /** Aborts when every caller that waits for the value has given up. */
  readonly signal: AbortSignal
  /** The value past its ttl that stands in while this loads, if there is one. */
  readonly stale: unknown
  /** Gives this entry another time to live than the call or the cache says. */
  readonly setTtl: (ttl: Ttl) => void
  /** Gives this entry other tags than the call says. At most 1,000. */
  readonly setTags: (tags: readonly string[]) => void
  /** Hands the value out without storing it. */
  readonly skip: () => void
}

/** Brings a value that is not cached. `undefined` is handed out and not stored. */
export type Load<T> = (context: LoadContext) => T | Promise<T>

/** One run of a loader: what it is given, and what it decides through it. */
export interface LoadRun {
  readonly context: LoadContext
  ttlMs: number
  tags: readonly string[]
  skipped: boolean
}

export function createLoadRun(
  key: string,
  policy: Policy,
  flight: Flight,
  stale: unknown,
): LoadRun {
  const context: LoadContext = {
    key,
    // Most loaders never ask for it.
    get signal() {
      flight.abort ??= abortOf(flight)
      return flight.abort.signal
    },
    stale,
    setTtl(ttl) {
      run.ttlMs = ttlMilliseconds(ttl)
    },
    setTags(tags) {
      run.tags = checkEntryTags(tags)
    },
    skip() {
      run.skipped = true
    },
  }
  const run: LoadRun = { context, ttlMs: policy.ttlMs, tags: policy.tags, skipped: false }
  return run
}

function abortOf(flight: Flight): AbortController {
  const controller = new AbortController()
  if (flight.abandoned !== undefined) controller.abort(flight.abandoned.reason)
  return controller
}
