import { CALLERS, type Run } from './compare.ts'
import type { Freeze } from './freeze.ts'
import { failed } from './samples.ts'
import { faultOfCount, readsOf } from './service-figures.ts'

/** What went wrong, in sentences; nothing when all went well. */
export function faultsOf(runs: readonly Run[], frozen: Freeze | undefined): string[] {
  const faults: string[] = []
  for (const run of runs) {
    const bad = run.samples.filter(failed).length
    if (bad > 0) faults.push(`${bad} requests failed under load`)
    if (run.samples.length === 0) faults.push('no request was answered under load')
    if (run.jobsDone < run.jobsAdded)
      faults.push(`${run.jobsAdded - run.jobsDone} jobs were not done`)
    if (run.jobsAdded === 0) faults.push('no job was added')
  }
  const cached = runs.at(-1)
  if (cached !== undefined) {
    // Each request and each job reads once; each load is a query.
    const { figures, jobsDone, samples } = cached
    faults.push(...faultOfCount('reads', readsOf(figures), samples.length + jobsDone))
    faults.push(...faultOfCount('loads', figures.loads, figures.queries))
  }
  if (frozen === undefined) return faults
  if (frozen.failures > 0) faults.push(`${frozen.failures} requests failed around the freeze`)
  if (frozen.during.length === 0) faults.push('no request was made during the freeze')
  if (frozen.recoveryMs === undefined) faults.push('the cache did not come back after the freeze')
  // Those under way at either end may count there or here.
  const reads = readsOf(frozen.figures)
  faults.push(...faultOfCount('reads while frozen', reads, frozen.during.length, 2 * CALLERS))
  if (!frozen.jobsTaken) faults.push('a job could not be handed over after the freeze')
  if (frozen.jobsDone < frozen.jobsAdded) {
    faults.push(`${frozen.jobsAdded - frozen.jobsDone} jobs were lost in the freeze`)
  }
  return faults
}
