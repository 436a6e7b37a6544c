import type { MetricsSnapshot } from '@corral/metrics'
import type { HttpClient } from './http-client.ts'

/** What `@corral/metrics` counted of a cache. */
export interface CacheFigures {
  readonly hits: number
  /** Those of them that a process's own copies answered. */
  readonly nearHits: number
  readonly misses: number
  /** Calls that shared one under way. */
  readonly coalesced: number
  /** Calls that waited for another process's load. */
  readonly leaseWaited: number
  /** Loaders that ran. */
  readonly loads: number
  /** Loads that were spared while Redis was away. */
  readonly outageHits: number
  /** Calls whose deadline passed before Redis answered. */
  readonly deadlineHits: number
}

export interface ServiceFigures extends CacheFigures {
  /** How often a breaker opened. */
  readonly breakersOpened: number
  /** Statements that reached the database, counted there: what loads are held against. */
  readonly queries: number
}

/** The figures of a snapshot that the demo shows. */
export function cacheFigures({ cache }: Pick<MetricsSnapshot, 'cache'>): CacheFigures {
  if (cache === undefined) throw new Error('no cache is measured')
  const { hits, nearHits, misses, coalesced, leaseWaited, loads, outageHits, deadlineHits } =
    cache.totals
  return { hits, nearHits, misses, coalesced, leaseWaited, loads, outageHits, deadlineHits }
}

export async function readFigures(client: HttpClient): Promise<ServiceFigures> {
  const { status, body } = await client.send('GET', '/api/metrics')
  if (status !== 200) throw new Error(`/api/metrics answered ${status}`)
  const snapshot = body as MetricsSnapshot & { readonly source: { readonly queries: number } }
  const opened = snapshot.connection?.breaker.transitions.filter(({ to }) => to === 'open') ?? []
  return {
    ...cacheFigures(snapshot),
    breakersOpened: opened.reduce((sum, { count }) => sum + count, 0),
    queries: snapshot.source.queries,
  }
}

/** Calls that asked the cache for a value. */
export function readsOf({ hits, misses, coalesced }: CacheFigures): number {
  return hits + misses + coalesced
}

/** What was added between two looks. */
export function between<Figures extends CacheFigures>(before: Figures, after: Figures): Figures {
  const old = before as unknown as Readonly<Record<string, number>>
  const added = Object.entries(after).map(([name, value]) => [
    name,
    Number(value) - (old[name] ?? 0),
  ])
  return Object.fromEntries(added) as Figures
}

/** Adds figures of several processes up. */
export function together(all: readonly CacheFigures[]): CacheFigures {
  const names = Object.keys(all[0] ?? {}) as (keyof CacheFigures)[]
  const sums = names.map((name) => [name, all.reduce((sum, one) => sum + one[name], 0)])
  return Object.fromEntries(sums) as CacheFigures
}

/** A sentence when a figure and what the demo counted itself are further apart than one in a hundred. */
export function faultOfCount(what: string, measured: number, counted: number, slack = 0): string[] {
  const apart = Math.abs(measured - counted)
  if (apart <= slack + counted / 100) return []
  return [`the metrics say ${measured} ${what}, the demo counted ${counted}`]
}
