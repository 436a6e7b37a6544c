import { type Connection, shareConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ClientBase,
  createConcurrencyLimiter,
  createIncrementRateLimit,
  createRateLimiter,
  type RateAlgorithm,
  type RateLimiterOptions,
} from '../../src/index.ts'

let server: TestRedis
let client: Redis
let connection: Connection
let base: ClientBase

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
  connection = shareConnection(client, { deadline: '5s' })
  base = { connection, namespace: 'app' }
})
afterAll(async () => {
  await connection.close()
  client.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
})

const algorithms: readonly RateAlgorithm[] = [
  'fixed-window',
  'sliding-window',
  'sliding-log',
  'token-bucket',
  'gcra',
]

/** Whether two calls of each pass, and a third does not: nobody counts what another has counted. */
async function expectApart(
  limiters: readonly ((subject: string) => Promise<{ readonly allowed: boolean }>)[],
): Promise<void> {
  for (const expected of [true, true, false]) {
    for (const [place, limiter] of limiters.entries()) {
      expect([place, (await limiter('u')).allowed]).toEqual([place, expected])
    }
  }
}

const rates = (options: readonly RateLimiterOptions[]) =>
  options.map((each) => createRateLimiter(base, { ...each, blockLocally: false }).consume)

describe('limiters of one name', () => {
  it('count apart when their algorithms differ, concurrency among them', async () => {
    const name = 'api'
    const common = { name, limit: 2, window: '1h' } as const
    await expectApart([
      ...rates(algorithms.map((algorithm) => ({ ...common, algorithm }))),
      createConcurrencyLimiter(base, { name, algorithm: 'concurrency', limit: 2 }).acquire,
    ])
  })

  it('count apart when one has several rules', async () => {
    const rule = { algorithm: 'sliding-log', limit: 2, window: '1h' } as const
    const other = { algorithm: 'gcra', limit: 2, window: '1h' } as const
    await expectApart(
      rates([
        { ...rule, name: 'api' },
        { ...rule, name: 'api:0' },
        { name: 'api', limits: [rule, other] },
        { name: 'api:0', limits: [other, rule] },
      ]),
    )
  })

  it('is another’s derived name: they count apart', async () => {
    const increment = createIncrementRateLimit(base)
    const rule = { algorithm: 'fixed-window', limit: 2, window: 60 } as const
    const two = { limits: [rule, { ...rule, window: '1h' }] } as const
    const concurrency = { algorithm: 'concurrency', limit: 2 } as const
    await expectApart([
      ...rates([rule, two]),
      ...rates(
        [createRateLimiter(base, rule).name, 'window-60000', 'increment', '60000'].map((name) => ({
          ...rule,
          name,
        })),
      ),
      ...rates([{ ...two, name: createRateLimiter(base, two).name }]),
      (subject) => increment(subject, 60, 2),
      createConcurrencyLimiter(base, concurrency).acquire,
      createConcurrencyLimiter(base, { ...concurrency, name: 'concurrency-2' }).acquire,
    ])
  })

  it('and other limits: what was counted before locks nobody out for longer than a window', async () => {
    for (const algorithm of algorithms) {
      const name = algorithm
      const before = createRateLimiter(base, { algorithm, name, limit: 7_919, window: '1s' })
      for (let i = 0; i < 3; i++) await before.consume('u', 7_919)
      const after = createRateLimiter(base, { algorithm, name, limit: 8_000, window: '1s' })
      const { retryAfter } = await after.peek('u', 8_000)
      expect([algorithm, retryAfter <= 2]).toEqual([algorithm, true])
      before.close()
      after.close()
    }
  })
})
