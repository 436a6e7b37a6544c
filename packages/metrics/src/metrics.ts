import type { Duration, TimerHandle } from '@corral/connection'
import { measureCache, windows } from './cache-figures.ts'
import { measureConnection } from './connection-figures.ts'
import { createLatencies } from './latency/latencies.ts'
import { sliceMs } from './latency/latency.ts'
import { listenToLocks } from './listen/locks-events.ts'
import { createLocksAsker } from './locks-asker.ts'
import { type FiguresLogger, logSnapshots } from './log-every.ts'
import { type MetricsOptions, resolveMetricsOptions } from './options.ts'
import type { MetricsSnapshot } from './snapshot.ts'

/** Figures of a cache, a connection and a lock service. */
export interface Metrics {
  /** The label `cache` of its figures. */
  readonly name: string
  /** Does not reject. Takes as long as a PING, and at times a walk over the locks. */
  snapshot(): Promise<MetricsSnapshot>
  /**
   * Writes a line at intervals, until the returned function is called or these metrics are closed.
   *
   * @throws TypeError for an interval that is none; RangeError under a second
   */
  logEvery(interval: Duration, logger: FiguresLogger): () => void
  /** Stops listening, for good: take the last snapshot before. Idempotent. */
  close(): void
  [Symbol.dispose](): void
}

const tickMs = 1_000

/**
 * Measures a cache, a connection and a lock service of this process.
 *
 * @throws TypeError or RangeError naming the option, its rule and what was received
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 * import { createMetrics } from '@corral/metrics'
 *
 * const cache = createCache({ namespace: 'shop:v1' })
 * const metrics = createMetrics({ cache })
 * await cache.get('user:1')
 * const { cache: figures } = await metrics.snapshot()
 * console.log(figures?.windows['1m'].hitRate) // 0, so far
 * metrics.close()
 * ```
 */
export function createMetrics(options: MetricsOptions): Metrics {
  const resolved = resolveMetricsOptions(options)
  const { name, clock, locks } = resolved
  const latencies = createLatencies()
  const cache = resolved.cache && measureCache(resolved.cache, resolved, latencies, clock)
  const connection = resolved.connection && measureConnection(resolved.connection, latencies, clock)
  const lockEvents = locks && listenToLocks(locks, latencies)
  const asker = locks && createLocksAsker(locks, resolved.askLocksEveryMs, clock)

  const loggers = new Set<() => void>()
  let timer: TimerHandle | undefined
  let sliceBegan = clock.now()

  function tick(): void {
    cache?.tick()
    const now = clock.now()
    if (now - sliceBegan >= sliceMs) {
      sliceBegan = now
      latencies.rotate(now)
    }
    arm()
  }
  function arm(): void {
    timer = clock.setTimer(tick, tickMs, { unref: true })
  }
  arm()

  async function lockFigures(): Promise<MetricsSnapshot['locks']> {
    if (locks === undefined || lockEvents === undefined) return undefined
    const active = await asker?.ask()
    const { held, waiting } = locks.stats()
    return { ...lockEvents.counts, active, held, waiting, refused: lockEvents.refused.read() }
  }

  async function snapshot(): Promise<MetricsSnapshot> {
    const [ofConnection, ofLocks] = await Promise.all([connection?.read(), lockFigures()])
    return {
      name,
      at: clock.wallNow(),
      cache: cache?.read(),
      connection: ofConnection,
      locks: ofLocks,
      latency: {
        window: latencies.read(windows['5m'], clock.now()),
        totals: latencies.totals(),
      },
    }
  }

  function close(): void {
    if (timer === undefined) return
    clock.clearTimer(timer)
    timer = undefined
    for (const stop of loggers) stop()
    cache?.stop()
    connection?.stop()
    lockEvents?.stop()
  }

  return {
    name,
    snapshot,
    logEvery(interval, logger) {
      const stopLogging = logSnapshots(snapshot, interval, logger, clock)
      const stop = (): void => {
        loggers.delete(stop)
        stopLogging()
      }
      if (timer === undefined) stop()
      else loggers.add(stop)
      return stop
    },
    close,
    [Symbol.dispose]: close,
  }
}
