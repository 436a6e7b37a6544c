import { shareConnection } from '@corral/connection'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import {
  createConcurrencyLimiter,
  createIncrementRateLimit,
  createRateLimiter,
  type RateAlgorithm,
} from '../../src/index.ts'

export interface LimitJob {
  readonly port: number
  readonly host: string
  readonly limit: number
  readonly calls: number
  readonly algorithms: readonly RateAlgorithm[]
  /** Goes on until it is killed, over many subjects. */
  readonly forever?: boolean
}

/** Admitted calls by what was asked. */
export type LimitReport = Record<string, number>

/** Each process believes in another hour. */
function shiftClock(hours: number): void {
  const real = Date.now
  Date.now = () => real() + hours * 3_600_000
}

runWorker<LimitJob, LimitReport>(async (ctx) => {
  const { host, port, limit, calls, algorithms, forever } = ctx.data
  shiftClock(ctx.index - Math.floor(ctx.count / 2))
  const client = new Redis(port, host, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
  const connection = shareConnection(client, { deadline: '20s' })
  const base = { connection, namespace: 'fleet' }
  const increment = createIncrementRateLimit(base)
  const places = createConcurrencyLimiter(base, { algorithm: 'concurrency', limit, lease: '1h' })
  const limiters = algorithms.map((algorithm) =>
    createRateLimiter(base, { algorithm, limit, window: '1h' }),
  )
  const both = createRateLimiter(base, {
    limits: [
      { algorithm: 'gcra', limit: limit * 2, window: '2h' },
      { algorithm: 'sliding-log', limit, window: '1h' },
    ],
  })

  if (forever === true) {
    ctx.report('started')
    for (let turn = 0; ; turn++) {
      const subject = `s${ctx.index}:${turn}`
      await Promise.all([
        ...limiters.map((limiter) => limiter.consume(subject)),
        both.consume(subject),
        increment(subject, 3_600, limit),
        places.acquire(subject),
      ])
    }
  }

  const admitted: LimitReport = {}
  const note = (name: string, allowed: boolean): void => {
    admitted[name] = (admitted[name] ?? 0) + (allowed ? 1 : 0)
  }
  await increment('warm', 1, 1)
  await ctx.barrier('go')
  for (let turn = 0; turn < calls; turn++) {
    await Promise.all([
      ...limiters.map(async (limiter, i) =>
        note(algorithms[i]!, (await limiter.consume('one')).allowed),
      ),
      both.consume('one').then(({ allowed }) => note('both', allowed)),
      increment('one', 3_600, limit).then(({ allowed }) => note('increment', allowed)),
      places.acquire('one').then(({ allowed }) => note('concurrency', allowed)),
    ])
  }
  await connection.close()
  client.disconnect()
  return admitted
})
