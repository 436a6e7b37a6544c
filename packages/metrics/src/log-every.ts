import {
  type Clock,
  describeValue,
  type Duration,
  type TimerHandle,
  toMilliseconds,
} from '@corral/connection'
import type { MetricsSnapshot } from './snapshot.ts'

/** What a line carries, as fields for those who search logs. */
export type LoggedFigures = Readonly<Record<string, number | string>>

/** Where lines go: pino or fastify's `log`, `console`, or a function. */
export type FiguresLogger =
  | { info(fields: LoggedFigures, line: string): void }
  | ((line: string, fields: LoggedFigures) => void)

/** Writes a line of each snapshot. Figures are those of the last minute. */
export function logSnapshots(
  snapshot: () => Promise<MetricsSnapshot>,
  interval: Duration,
  logger: FiguresLogger,
  clock: Clock,
): () => void {
  const everyMs = toMilliseconds(interval, 'interval')
  if (everyMs < 1_000) {
    throw new RangeError(`interval: must be at least 1 second, received ${describeValue(interval)}`)
  }
  if (typeof logger !== 'function' && typeof logger?.info !== 'function') {
    throw new TypeError(
      `logger: must be a function or have info(fields, line), received ${describeValue(logger)}`,
    )
  }
  let timer: TimerHandle | undefined
  let isStopped = false

  async function write(): Promise<void> {
    try {
      const fields = fieldsOf(await snapshot())
      if (isStopped) return
      const line = lineOf(fields)
      if (typeof logger === 'function') logger(line, fields)
      else logger.info(fields, line)
    } catch {
      // A logger that fails must not take the process with it; the next line may be written.
    }
    if (!isStopped) arm()
  }
  function arm(): void {
    timer = clock.setTimer(() => void write(), everyMs, { unref: true })
  }
  arm()

  return () => {
    isStopped = true
    if (timer !== undefined) clock.clearTimer(timer)
  }
}

/** What is known of a snapshot; unknown figures are left out. */
export function fieldsOf({
  name,
  cache,
  connection,
  locks,
  latency,
}: MetricsSnapshot): LoggedFigures {
  const fields: Record<string, number | string> = { cache: name }
  function add(field: string, value: number | string | undefined, digits = 0): void {
    if (value === undefined) return
    fields[field] = typeof value === 'number' ? Number(value.toFixed(digits)) : value
  }
  const minute = cache?.windows['1m']
  add('hitRate', minute?.hitRate, 4)
  add('nearHitRate', minute?.near.hitRate, 4)
  add('reads', minute?.reads)
  add('throughput', minute?.throughput, 1)
  add('errors', minute?.errors)
  add('hitP99Ms', minute?.latency.hit?.p99, 3)
  add('loadP99Ms', minute?.latency.load?.p99, 3)
  add('breaker', connection?.breaker.state)
  add('commandP99Ms', latency.window.command?.p99, 3)
  add('locksActive', locks?.active?.count)
  add('locksHeld', locks?.held)
  return fields
}

function lineOf({ cache, ...rest }: LoggedFigures): string {
  const figures = Object.entries(rest).map(([field, value]) => `${field}=${value}`)
  return `cache ${cache ?? ''}: ${figures.join(' ')}`
}
