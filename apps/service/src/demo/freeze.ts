import { setTimeout as sleep } from 'node:timers/promises'
import { CALLERS, POPULAR_USERS } from './compare.ts'
import type { HttpClient } from './http-client.ts'
import { countDone, startJobs } from './job-producer.ts'
import { startLoad } from './load.ts'
import { createPopularity } from './popularity.ts'
import { failed, quantile, times, type Sample } from './samples.ts'
import type { Screen } from './screen.ts'
import { between, readFigures, type ServiceFigures } from './service-figures.ts'
import { count, milliseconds, tableLines } from './table.ts'

const BEFORE_MS = 700
const FROZEN_MS = 3000
/** Longest that the first hit may be away after the thaw. */
const RECOVERY_LIMIT_MS = 5000
/** How long the load goes on after the first hit. */
const AFTER_MS = 700

/** What a Redis that answers nothing did to requests and jobs. */
export interface Freeze {
  readonly frozenMs: number
  /** Requests that were sent before the thaw and not answered before the freeze. */
  readonly during: readonly Sample[]
  /** What the service's metrics counted from the freeze to the thaw. */
  readonly figures: ServiceFigures
  /** All requests that failed, before, during and after. */
  readonly failures: number
  /** From the thaw to the first answer out of the cache; `undefined` when none came. */
  readonly recoveryMs: number | undefined
  readonly jobsAdded: number
  readonly jobsDone: number
  /** How often the service had to send a job away. */
  readonly jobRetries: number
  /** Whether each job could be handed over in the end. */
  readonly jobsTaken: boolean
}

export async function freeze(options: {
  readonly client: HttpClient
  readonly screen: Screen
  readonly signal: AbortSignal
  readonly freezer: { pause(): Promise<void>; resume(): Promise<void> }
}): Promise<Freeze> {
  const { client, screen, signal, freezer } = options
  const pick = createPopularity(POPULAR_USERS)
  const load = startLoad(client, { callers: CALLERS, pick, signal })
  const jobs = startJobs(client, POPULAR_USERS, signal)
  await sleep(BEFORE_MS, undefined, { signal })

  const before = await readFigures(client)
  const pausedAt = performance.now()
  await freezer.pause()
  let thawedAt: number
  let figures: ServiceFigures
  try {
    while (performance.now() - pausedAt < FROZEN_MS) {
      const left = (FROZEN_MS - (performance.now() - pausedAt)) / 1000
      const answered = load.samples.filter((one) => one.sentAt >= pausedAt).length
      screen.progress(
        'Redis is frozen',
        `${left.toFixed(1)} s left, ${count(answered)} answers so far`,
      )
      await sleep(100, undefined, { signal })
    }
    figures = between(before, await readFigures(client))
  } finally {
    thawedAt = performance.now()
    await freezer.resume()
  }

  const firstHit = (): Sample | undefined =>
    load.samples.find((one) => one.sentAt >= thawedAt && one.from === 'cache')
  while (firstHit() === undefined && performance.now() - thawedAt < RECOVERY_LIMIT_MS) {
    screen.progress('Redis is back', 'waiting for the first answer out of the cache')
    await sleep(10, undefined, { signal })
  }
  await sleep(AFTER_MS, undefined, { signal })
  await load.stop()
  const jobsTaken = await jobs.stop()
  screen.progress('Redis is back', `looking after ${jobs.added.length} jobs`)
  const jobsDone = await countDone(client, jobs.added, 15_000, signal)

  const hit = firstHit()
  return {
    frozenMs: thawedAt - pausedAt,
    during: load.samples.filter((one) => one.sentAt < thawedAt && one.sentAt + one.took > pausedAt),
    figures,
    failures: load.samples.filter(failed).length,
    recoveryMs: hit === undefined ? undefined : hit.sentAt + hit.took - thawedAt,
    jobsAdded: jobs.added.length,
    jobsDone,
    jobRetries: jobs.retries,
    jobsTaken,
  }
}

export function freezeReport(result: Freeze): string[] {
  const { during, figures, recoveryMs } = result
  const took = times(during)
  return tableLines([
    ['requests meanwhile', count(during.length)],
    ['answered by copies until it was noticed', count(figures.hits)],
    ['loaders run', count(figures.loads)],
    ['answered by a load of somebody else', count(figures.coalesced)],
    ['answered by the last second of loads', count(figures.outageHits)],
    ['calls that waited for Redis until their deadline', count(figures.deadlineHits)],
    ['breakers opened', count(figures.breakersOpened)],
    ['failed', count(result.failures)],
    ['response time p50', milliseconds(quantile(took, 0.5))],
    ['response time p99', milliseconds(quantile(took, 0.99))],
    ['slowest', milliseconds(quantile(took, 1))],
    [
      'first cache hit after the thaw',
      recoveryMs === undefined ? 'none' : milliseconds(recoveryMs),
    ],
    ['jobs done', `${result.jobsDone} of ${result.jobsAdded}`],
    ['jobs offered again meanwhile', count(result.jobRetries)],
  ])
}
