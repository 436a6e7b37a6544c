import type { Clock, SourceId } from '@corral/connection'
import type { MissReason } from '../entry/read-entry.ts'
import type { Counters } from '../stats.ts'
import { traceChannel, UNHEARD } from '../trace.ts'

const hits = traceChannel('corral:core:hit')
const tickHits = traceChannel('corral:core:hits')
const nearHits = traceChannel('corral:core:near-hit')
const nearSamples = traceChannel('corral:core:near-sample')
const misses = traceChannel('corral:core:miss')

/** Of so many near hits one is timed, on average. */
const SAMPLE_OF = 64

/** Counts reads and tells listeners of them. The clock is read for listeners only. */
export interface Tally {
  /** When a read begins: for {@link hit} or {@link miss}. */
  readonly start: () => number
  /** @param size length of the entry as it came */
  readonly hit: (key: string, stale: boolean, started: number, size: number) => void
  /** Before this process's copies are looked at: for {@link nearHit}. */
  readonly startNear: () => number
  readonly nearHit: (key: string, stale: boolean, started: number) => void
  readonly miss: (key: string, reason: MissReason, started: number) => void
}

export function createTally(
  source: SourceId,
  counters: Counters,
  tier: 'remote' | 'memory',
  clock: Clock,
): Tally {
  const namespace = source.name

  // Reads of one tick leave in one command and are answered in one tick: they share a look at the
  // clock at either end, and a message.
  let now = 0
  let ticking = false
  let began = 0
  let count = 0
  let length = 0

  function tick(): number {
    if (!ticking) {
      ticking = true
      now = clock.now()
      process.nextTick(endTick)
    }
    return now
  }

  function endTick(): void {
    ticking = false
    tellHits()
  }

  function tellHits(): void {
    if (count === 0) return
    tickHits.publish({ source, namespace, tier, count, size: length, duration: now - began })
    count = 0
    length = 0
  }

  function tellHit(key: string, stale: boolean, started: number, size: number): void {
    const duration = tick() - started
    if (started !== began) {
      tellHits()
      began = started
    }
    count++
    length += size
    if (hits.hasSubscribers) {
      hits.publish({ source, namespace, key, tier, stale, size, duration })
    }
  }

  let sampledAt = 0
  let sampleAt = SAMPLE_OF

  /** At random, so that a loop over keys is not met at the same ones in each round. */
  function planSample(): void {
    sampledAt = counters.nearHits
    sampleAt = sampledAt + 1 + Math.floor(Math.random() * (2 * SAMPLE_OF - 1))
  }

  function startSample(): number {
    if (nearSamples.hasSubscribers) return clock.now()
    planSample()
    return UNHEARD
  }

  function tellSample(key: string, started: number): void {
    const every = counters.nearHits - sampledAt
    planSample()
    nearSamples.publish({ source, namespace, key, duration: clock.now() - started, every })
  }

  return {
    start: () =>
      tickHits.hasSubscribers || hits.hasSubscribers || misses.hasSubscribers ? tick() : UNHEARD,
    hit(key, stale, started, size) {
      counters.tierHits++
      if (stale) counters.staleServed++
      if (started !== UNHEARD) tellHit(key, stale, started, size)
    },
    startNear: () => (counters.nearHits < sampleAt ? UNHEARD : startSample()),
    nearHit(key, stale, started) {
      counters.nearHits++
      if (stale) counters.staleServed++
      if (started !== UNHEARD) tellSample(key, started)
      if (nearHits.hasSubscribers) nearHits.publish({ source, namespace, key, stale })
    },
    miss(key, reason, started) {
      counters.misses++
      if (started !== UNHEARD && misses.hasSubscribers) {
        misses.publish({ source, namespace, key, reason, duration: tick() - started })
      }
    },
  }
}
