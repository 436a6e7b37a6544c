import { waitFor } from '@corral/testing'
import { isCorralError } from '../../src/index.ts'
import { watchLoop } from './loop-delay.ts'

export interface Call {
  readonly kind: 'read' | 'write'
  readonly at: number
  readonly took: number
  /** Reason of a refusal or failure; `hit`, `miss` or `stored` otherwise. */
  readonly outcome: string
}

/** What a call comes to that is neither an error nor hangs. */
const ANSWERS = new Set(['hit', 'miss', 'stored', 'hung'])
/** Reasons of calls that were never tried. */
const REFUSALS = new Set(['breaker-open', 'not-ready', 'overloaded', 'REDIS_FULL'])

/** What is called: a connection of ours, or a plain client. */
export interface Called {
  get(key: string): Promise<string | null>
  set(key: string, value: string, options: { ttlMs: number }): Promise<unknown>
}

/** Calls at a steady rate, whether the earlier ones were answered or not. */
export interface CallLoad extends Disposable {
  readonly hits: number
  readonly mostPending: number
  readonly foreignErrors: readonly unknown[]
  start(): void
  stop(): void
  settled(): Promise<void>
  /** Counts those that are still under way as taking until now. */
  abandon(): void
  /** When the first read that began after a moment came back with a value. */
  firstHitAfter(at: number): number | undefined
  /** Milliseconds of the calls begun in a span of time, without delay of the event loop. */
  durations(from: number, to: number): number[]
  /** How many of the calls begun in a span of time were rejected. */
  failures(from: number, to: number): number
  refusals(): Call[]
}

const EVERY_MS = 5
const KEYS = 20

/** Half reads of keys that are there, half writes of them; a read and a write every 5 ms. */
export function createCallLoad(called: Called): CallLoad {
  const loop = watchLoop()
  const calls: Call[] = []
  const foreignErrors: unknown[] = []
  const under = new Map<Promise<void>, Pick<Call, 'kind' | 'at'>>()
  let timer: NodeJS.Timeout | undefined
  let round = 0
  let hits = 0

  function note(kind: Call['kind'], at: number, outcome: string): void {
    const end = performance.now()
    calls.push({ kind, at, took: Math.max(0, end - at - loop.between(at, end)), outcome })
  }

  async function measured(
    kind: Call['kind'],
    at: number,
    run: () => Promise<string>,
  ): Promise<void> {
    let outcome: string
    try {
      outcome = await run()
    } catch (error) {
      if (!isCorralError(error)) foreignErrors.push(error)
      outcome = isCorralError(error) ? (error.reason ?? error.code) : 'foreign'
    }
    if (outcome === 'hit') hits++
    note(kind, at, outcome)
  }

  function track(kind: Call['kind'], run: () => Promise<string>): void {
    const at = performance.now()
    const call: Promise<void> = measured(kind, at, run).finally(() => under.delete(call))
    under.set(call, { kind, at })
  }

  function next(): void {
    const key = `guard:${round++ % KEYS}`
    track('read', async () => ((await called.get(key)) === null ? 'miss' : 'hit'))
    track('write', async () => {
      await called.set(key, 'x'.repeat(200), { ttlMs: 60_000 })
      return 'stored'
    })
  }

  function stop(): void {
    clearInterval(timer)
    timer = undefined
  }

  function begunIn(from: number, to: number): Call[] {
    return calls.filter(({ at }) => at >= from && at < to)
  }

  let mostPending = 0
  const watch = setInterval(() => (mostPending = Math.max(mostPending, under.size)), 20)

  return {
    get hits() {
      return hits
    },
    get mostPending() {
      return mostPending
    },
    foreignErrors,
    start: () => void (timer ??= setInterval(next, EVERY_MS)),
    stop,
    async settled() {
      await waitFor(() => under.size === 0, {
        what: 'all calls to settle: one hangs',
        timeout: 5_000,
      })
    },
    abandon() {
      for (const { kind, at } of under.values()) note(kind, at, 'hung')
    },
    firstHitAfter(at) {
      const hit = calls.find((call) => call.outcome === 'hit' && call.at >= at)
      return hit === undefined ? undefined : hit.at + hit.took
    },
    durations: (from, to) => begunIn(from, to).map(({ took }) => took),
    failures: (from, to) => begunIn(from, to).filter(({ outcome }) => !ANSWERS.has(outcome)).length,
    refusals: () => calls.filter(({ outcome }) => REFUSALS.has(outcome)),
    [Symbol.dispose]() {
      stop()
      clearInterval(watch)
      loop[Symbol.dispose]()
    },
  }
}

/** 0 for no values at all. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}
