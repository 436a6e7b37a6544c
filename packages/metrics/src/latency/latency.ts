import { bucketCount, bucketMiddle, bucketOf } from './buckets.ts'

/** What a window knows of one operation. Milliseconds. */
export interface LatencyFigures {
  /** How many were timed; of near hits one in 64 is. */
  readonly count: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/** Durations of one operation, of the last 15 minutes and in all. */
export interface Latency {
  readonly count: number
  /** Milliseconds in all. */
  readonly sum: number
  /** @param times so many took as long @defaultValue 1 */
  record(ms: number, times?: number): void
  /** Begins a new slice; called every {@link sliceMs}. */
  rotate(now: number): void
  /** Of the slices that ended less than `reachMs` ago. Undefined: nothing was timed. */
  read(reachMs: number, now: number): LatencyFigures | undefined
}

/** A window of quantiles reaches back to the start of a slice: up to this much further. */
export const sliceMs = 10_000
const longestMs = 15 * 60_000

/** Buckets that hold something, and how much: most slices fill few of them. */
interface Slice {
  readonly endedAt: number
  readonly cells: Uint32Array
}

/** Only used within one synchronous call. */
const merged = new Float64Array(bucketCount)

export function createLatency(): Latency {
  const current = new Uint32Array(bucketCount)
  let inCurrent = 0
  let slices: Slice[] = []
  let count = 0
  let sum = 0

  function compact(): Uint32Array {
    const cells: number[] = []
    current.forEach((times, bucket) => {
      if (times > 0) cells.push(bucket, times)
    })
    return Uint32Array.from(cells)
  }

  return {
    get count() {
      return count
    },
    get sum() {
      return sum
    },
    record(ms, times = 1) {
      const bucket = bucketOf(ms)
      current[bucket] = (current[bucket] as number) + times
      inCurrent += times
      count += times
      if (ms > 0) sum += ms * times
    },
    rotate(now) {
      slices = slices.filter(({ endedAt }) => endedAt > now - longestMs)
      if (inCurrent === 0) return
      slices.push({ endedAt: now, cells: compact() })
      current.fill(0)
      inCurrent = 0
    },
    read(reachMs, now) {
      merged.set(current)
      let total = inCurrent
      for (const { endedAt, cells } of slices) {
        if (endedAt <= now - reachMs) continue
        for (let at = 0; at < cells.length; at += 2) {
          const bucket = cells[at] as number
          const times = cells[at + 1] as number
          merged[bucket] = (merged[bucket] as number) + times
          total += times
        }
      }
      return total === 0 ? undefined : { count: total, ...quantilesOf(merged, total) }
    },
  }
}

/** By nearest rank: the value that this share of all is not above. */
function quantilesOf(
  buckets: Float64Array,
  total: number,
): Pick<LatencyFigures, 'p50' | 'p95' | 'p99'> {
  let bucket = -1
  let passed = 0
  function at(share: number): number {
    const rank = Math.ceil(share * total)
    while (passed < rank) passed += buckets[++bucket] as number
    return bucketMiddle(bucket)
  }
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}
