import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpClient } from './http-client.ts'
import { countDone, startJobs } from './job-producer.ts'
import { startLoad } from './load.ts'
import { createPopularity } from './popularity.ts'
import { failed, quantile, times, type Sample } from './samples.ts'
import type { Screen } from './screen.ts'
import { between, readFigures, type ServiceFigures } from './service-figures.ts'
import { count, milliseconds, percent, tableLines } from './table.ts'

/** Users that the load asks for, most of them seldom. */
export const POPULAR_USERS = 600
export const CALLERS = 24
const WARM_UP_MS = 400

/** What a few seconds of load came to. */
export interface Run {
  readonly samples: readonly Sample[]
  readonly seconds: number
  readonly figures: ServiceFigures
  readonly jobsAdded: number
  readonly jobsDone: number
}

export interface RunOptions {
  readonly client: HttpClient
  readonly screen: Screen
  readonly signal: AbortSignal
  readonly stage: string
  readonly durationMs: number
  readonly headers?: Readonly<Record<string, string>>
}

/** Requests and jobs at once, for a while, and what the service counted meanwhile. */
export async function run(options: RunOptions): Promise<Run> {
  const { client, screen, signal, stage, durationMs, headers = {} } = options
  const pick = createPopularity(POPULAR_USERS)
  // So that neither column pays for code that runs for the first time.
  const warmUp = startLoad(client, { callers: CALLERS, pick, signal, headers })
  await sleep(WARM_UP_MS, undefined, { signal })
  await warmUp.stop()

  const before = await readFigures(client)
  const start = performance.now()
  const load = startLoad(client, { callers: CALLERS, pick, signal, headers })
  const jobs = startJobs(client, POPULAR_USERS, signal)
  while (performance.now() - start < durationMs && !signal.aborted) {
    const left = (durationMs - (performance.now() - start)) / 1000
    screen.progress(
      stage,
      `${left.toFixed(1)} s left, ${count(load.samples.length)} requests, ${jobs.added.length} jobs`,
    )
    await sleep(100, undefined, { signal })
  }
  await load.stop()
  const seconds = (performance.now() - start) / 1000
  await jobs.stop()
  const jobsDone = await countDone(client, jobs.added, 10_000, signal)
  const figures = between(before, await readFigures(client))
  return { samples: load.samples, seconds, figures, jobsAdded: jobs.added.length, jobsDone }
}

/** The two runs side by side. */
export function comparison(without: Run, cached: Run): string[] {
  const both = (cell: (run: Run) => string): [string, string] => [cell(without), cell(cached)]
  return tableLines([
    ['', 'without cache', 'with cache'],
    [
      'requests answered',
      ...both((run) => count(run.samples.filter((one) => !failed(one)).length)),
    ],
    ['requests failed', ...both((run) => count(run.samples.filter(failed).length))],
    ['requests per second', ...both((run) => count(Math.round(run.samples.length / run.seconds)))],
    ['queries at the source', ...both((run) => count(run.figures.queries))],
    ['cache hit rate', '-', hitRate(cached.figures)],
    [
      "answered by the process's own copies",
      '-',
      percent(cached.figures.nearHits, cached.figures.hits),
    ],
    ['loaders run', '-', count(cached.figures.loads)],
    ['response time p50', ...both((run) => milliseconds(quantile(times(run.samples), 0.5)))],
    ['response time p99', ...both((run) => milliseconds(quantile(times(run.samples), 0.99)))],
    ['jobs done', ...both((run) => `${run.jobsDone} of ${run.jobsAdded}`)],
  ])
}

function hitRate({ hits, misses }: ServiceFigures): string {
  return percent(hits, hits + misses)
}
