import type { HttpClient } from './http-client.ts'

/** What the service counted since its start. */
export interface ServiceFigures {
  readonly hits: number
  readonly misses: number
  /** Statements that reached the database, counted there. */
  readonly queries: number
}

export async function readFigures(client: HttpClient): Promise<ServiceFigures> {
  const { status, body } = await client.send('GET', '/api/cache/stats')
  if (status !== 200) throw new Error(`/api/cache/stats answered ${status}`)
  const { hits, misses, source } = body as {
    hits: number
    misses: number
    source: { queries: number }
  }
  return { hits, misses, queries: source.queries }
}

/** What was added between two looks. */
export function between(before: ServiceFigures, after: ServiceFigures): ServiceFigures {
  return {
    hits: after.hits - before.hits,
    misses: after.misses - before.misses,
    queries: after.queries - before.queries,
  }
}
