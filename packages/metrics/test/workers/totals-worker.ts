import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createFleetTotals } from '../../src/index.ts'
import { counting } from '../counting.ts'

export interface TotalsJob {
  readonly host: string
  readonly port: number
  readonly rounds: number
}

export interface TotalsReport {
  readonly hits: number
  readonly misses: number
  readonly nearHits: number
  readonly delivered: boolean
}

/** Counts at random, in turns of the event loop, so that flushes fall in between. */
runWorker<TotalsJob, TotalsReport>(async (ctx) => {
  const { host, port, rounds } = ctx.data
  const client = new Redis(port, host, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  client.on('error', () => {})
  const cache = counting()
  const totals = createFleetTotals({
    cache,
    connection: client,
    flushEvery: '100ms',
    closeWithin: '30s',
  })
  async function count(): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      cache.live.hits += Math.floor(Math.random() * 100)
      cache.live.nearHits += Math.floor(Math.random() * 50)
      cache.live.misses += Math.floor(Math.random() * 20)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await count()
  ctx.report({ ...cache.live })
  await ctx.barrier('counted')
  await count()
  const delivered = await totals.close()
  client.disconnect()
  return { ...cache.live, delivered }
})
