import { createLatency, type Latency, type LatencyFigures } from './latency.ts'

/** What is timed. */
export type TimedOperation =
  | 'near-hit'
  | 'hit'
  | 'miss'
  | 'set'
  | 'delete'
  | 'invalidate'
  | 'load'
  | 'lease-wait'
  | 'lock-wait'
  | 'command'

/** Durations of all operations; each takes memory from its first message on. */
export interface Latencies {
  /** Kept by its listener, so that a message costs no look-up. */
  of(operation: TimedOperation): (ms: number, times?: number) => void
  rotate(now: number): void
  read(reachMs: number, now: number): Readonly<Partial<Record<TimedOperation, LatencyFigures>>>
  totals(): Readonly<
    Partial<Record<TimedOperation, { readonly count: number; readonly sum: number }>>
  >
}

export function createLatencies(): Latencies {
  const all = new Map<TimedOperation, Latency>()

  function collect<Figure>(
    read: (latency: Latency) => Figure | undefined,
  ): Partial<Record<TimedOperation, Figure>> {
    const figures: Partial<Record<TimedOperation, Figure>> = {}
    for (const [operation, latency] of all) {
      const figure = read(latency)
      if (figure !== undefined) figures[operation] = figure
    }
    return figures
  }

  return {
    of(operation) {
      let latency: Latency | undefined
      return (ms, times = 1) => {
        if (latency === undefined) {
          latency = all.get(operation) ?? createLatency()
          all.set(operation, latency)
        }
        latency.record(ms, times)
      }
    },
    rotate(now) {
      for (const latency of all.values()) latency.rotate(now)
    },
    read: (reachMs, now) => collect((latency) => latency.read(reachMs, now)),
    totals: () => collect(({ count, sum }) => ({ count, sum })),
  }
}
