import { randomUUID } from 'node:crypto'
import { ownKey, shareConnection, type TimerHandle } from '@corral/connection'
import { type FleetTotalsOptions, resolveFleetOptions } from './options.ts'
import { type TotalName, totalNames, totalsScript } from './totals-script.ts'

/** Hits and misses of all processes together. */
export interface FleetFigures {
  readonly hits: number
  readonly misses: number
  /** Those of the hits that a near cache answered. */
  readonly nearHits: number
  /** 0 to 1; undefined without reads. */
  readonly hitRate: number | undefined
}

/** Adds what one cache counts to the totals of its fleet. */
export interface FleetTotals {
  /**
   * What all processes have sent so far.
   *
   * @throws CorralError REDIS_UNAVAILABLE; WRONG_TYPE when somebody else uses the key
   */
  read(): Promise<FleetFigures>
  /** Sends what is not in the totals yet. True: nothing is left. Does not reject. */
  flush(): Promise<boolean>
  /** Sends the rest and ends. True: the totals hold all that was counted. Idempotent. */
  close(): Promise<boolean>
  [Symbol.asyncDispose](): Promise<void>
}

type Counted = Readonly<Record<TotalName, number>>

/** What was sent of a process is remembered for so long after its last word. */
const rememberedMs = 7 * 24 * 60 * 60_000
/** Between the tries of `close`. */
const againMs = 100

/**
 * Adds the hits and misses of a cache to totals in Redis, together with those of other processes.
 * Each count is in them once, whatever is lost on the way; while Redis is away nothing but three
 * numbers is kept.
 *
 * @throws TypeError or RangeError naming the option, its rule and what was received
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 * import { createFleetTotals } from '@corral/metrics'
 * import { Redis } from 'ioredis'
 *
 * const connection = new Redis({ maxRetriesPerRequest: null })
 * const cache = createCache({ connection, namespace: 'shop:v1' })
 * const totals = createFleetTotals({ cache })
 * await cache.get('user:1')
 * await totals.close()
 * ```
 */
export function createFleetTotals(options: FleetTotalsOptions): FleetTotals {
  const {
    cache,
    connection: source,
    name,
    flushEveryMs,
    closeWithinMs,
  } = resolveFleetOptions(options)
  const key = ownKey('totals', name)
  const ownPart = ownKey('totals', name, 'process', randomUUID())
  const connection = shareConnection(source)
  const { clock } = connection

  const baseline = { ...cache.counts() }
  let acknowledged: Counted = { hits: 0, misses: 0, nearHits: 0 }
  let flushing: Promise<boolean> | undefined
  let closing: Promise<boolean> | undefined
  let timer: TimerHandle | undefined

  function counted(): Counted {
    const live = cache.counts()
    return {
      hits: live.hits - baseline.hits,
      misses: live.misses - baseline.misses,
      nearHits: live.nearHits - baseline.nearHits,
    }
  }

  async function send(): Promise<boolean> {
    const now = counted()
    if (totalNames.every((each) => now[each] === acknowledged[each])) return true
    const valuesOf = (counts: Counted): number[] => totalNames.map((each) => counts[each])
    try {
      await connection.script(
        totalsScript,
        [key, ownPart],
        [rememberedMs, ...valuesOf(acknowledged), ...valuesOf(now)],
      )
    } catch {
      // It may or may not have been done: the next one finds out.
      return false
    }
    acknowledged = now
    return true
  }

  function flush(): Promise<boolean> {
    flushing ??= send().finally(() => (flushing = undefined))
    return flushing
  }

  function arm(): void {
    timer = clock.setTimer(() => void flush().then(rearm), flushEveryMs, { unref: true })
  }
  function rearm(): void {
    if (closing === undefined) arm()
  }
  arm()

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => void clock.setTimer(resolve, ms))
  }

  async function end(): Promise<boolean> {
    if (timer !== undefined) clock.clearTimer(timer)
    const until = clock.now() + closeWithinMs
    // One that is under way does not hold what was counted since.
    await flushing
    let isDone = await flush()
    while (!isDone && clock.now() < until) {
      await pause(againMs)
      isDone = await flush()
    }
    await connection.close()
    return isDone
  }
  function close(): Promise<boolean> {
    return (closing ??= end())
  }

  return {
    async read() {
      const reply = await connection.read({ name: 'HMGET', key, args: totalNames })
      const [hits = 0, misses = 0, nearHits = 0] = (reply as (string | null)[]).map(Number)
      const reads = hits + misses
      return { hits, misses, nearHits, hitRate: reads === 0 ? undefined : hits / reads }
    },
    flush,
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  }
}
