import type { Callers } from './callers.ts'
import type { HttpClient } from './http-client.ts'
import { quantile } from './samples.ts'
import type { Screen } from './screen.ts'
import { faultOfCount, readFigures, together, type CacheFigures } from './service-figures.ts'
import { count, milliseconds, tableLines } from './table.ts'

/** A user that nothing else in the demo asks for, so that nobody has it. */
const KEY = 'user:4321'
const CALLERS = 2000
/** Until all processes are ready to begin. */
const LEAD_MS = 1000

/** What became of many callers who want one missing key at the same moment. */
export interface Stampede {
  readonly processes: number
  readonly callers: number
  readonly took: readonly number[]
  /** What the metrics of all processes counted. */
  readonly figures: CacheFigures
  /** Statements that reached the database meanwhile, counted there. */
  readonly queries: number
  /** How many different values callers got. */
  readonly values: number
  readonly errors: readonly string[]
}

export async function stampede(options: {
  readonly callers: Callers
  readonly client: HttpClient
  readonly screen: Screen
  readonly signal: AbortSignal
}): Promise<Stampede> {
  const { callers, client, screen, signal } = options
  screen.progress('Stampede', `${count(CALLERS)} callers in ${callers.size} processes`)
  const before = await readFigures(client)
  const reported = callers.collect('stampede', (all) => all.length === callers.size, signal)
  const share = CALLERS / callers.size
  callers.send({ task: 'stampede', key: KEY, callers: share, at: Date.now() + LEAD_MS })
  const parts = await reported
  const after = await readFigures(client)
  return {
    processes: callers.size,
    callers: CALLERS,
    took: parts.flatMap((part) => part.took),
    figures: together(parts.map((part) => part.figures)),
    queries: after.queries - before.queries,
    values: new Set(parts.flatMap((part) => part.values)).size,
    errors: parts.flatMap((part) => part.errors),
  }
}

export function stampedeReport({ callers, figures, queries, took }: Stampede): string[] {
  return tableLines([
    ['callers answered', `${count(took.length)} of ${count(callers)}`],
    ['loaders run', count(figures.loads)],
    ['callers who shared a call of their process', count(figures.coalesced)],
    ['processes that waited for the one which loads', count(figures.leaseWaited)],
    ['queries at the source', count(queries)],
    ['time to the value p50', milliseconds(quantile(took, 0.5))],
    ['time to the value p99', milliseconds(quantile(took, 0.99))],
  ])
}

/** In sentences; nothing when all went well. */
export function faultsOfStampede(result: Stampede): string[] {
  const { callers, errors, figures, queries, took, values } = result
  const faults: string[] = []
  const [reason] = errors
  if (took.length < callers) {
    faults.push(`${callers - took.length} callers of the stampede got no value: ${reason}`)
  }
  faults.push(...faultOfCount('loads in the stampede', figures.loads, queries))
  if (queries !== 1) faults.push(`the stampede made ${queries} queries`)
  if (values > 1) faults.push(`the callers of the stampede got ${values} different values`)
  return faults
}
