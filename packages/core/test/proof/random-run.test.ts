import { spawnWorkers, startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { check, type Verdict } from './history/check.ts'
import { unpack } from './history/record.ts'
import { percentile } from './machine-clock.ts'
import { figure, sized } from './scale.ts'
import type { RandomCalls, RandomResult } from './workers/random-calls.ts'

/** By then every signal has arrived, on a machine that is busy with other tests too. */
const signalUs = 1_000_000
const module = new URL('./workers/random-calls.ts', import.meta.url)

let server: TestRedis
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))

interface Run extends Verdict {
  readonly results: readonly RandomResult[]
}

async function run(changes: Partial<RandomCalls> & { readonly processes?: number }): Promise<Run> {
  const { processes = 4, ...rest } = changes
  const data: RandomCalls = {
    port: server.port,
    operations: sized(6_000, 75_000),
    rounds: sized(6, 40),
    callers: 12,
    keys: 60,
    withNear: processes - 1,
    ...rest,
  }
  await using workers = await spawnWorkers<RandomResult>(module, { count: processes, data })
  const results = (await workers.results()) as RandomResult[]
  const acts = results.flatMap((result, process) => [...unpack(result.acts, process)])
  return { results, ...check(acts, signalUs) }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

describe('several processes at random', () => {
  it('read nothing older than what was invalidated, and nothing torn or of another key', async () => {
    const { results, reads, changes, violations, lags } = await run({})
    figure('random run', {
      reads,
      changes,
      nearHits: sum(results.map(({ nearHits }) => nearHits)),
      loads: sum(results.map(({ loads }) => loads)),
      'older reads elsewhere, ms after the change p50': percentile(lags, 0.5) / 1_000,
      p99: percentile(lags, 0.99) / 1_000,
      max: percentile(lags, 1) / 1_000,
      'of them': lags.length,
    })
    expect(results.flatMap(({ torn }) => torn)).toEqual([])
    expect(violations.slice(0, 5)).toEqual([])
    expect(results.flatMap(({ unsettled }) => unsettled)).toEqual([])
    expect(sum(results.map(({ refused }) => refused))).toBe(0)
    expect(reads + changes).toBeGreaterThanOrEqual(sized(24_000, 300_000))
    expect(changes).toBeGreaterThan(sized(400, 5_000))
    expect(sum(results.map(({ nearHits }) => nearHits))).toBeGreaterThan(reads / 20)
  })

  it.each(['fill without lease', 'near without tickets'] as const)(
    'are caught at a planted race: %s',
    async (plant) => {
      const { violations, results } = await run({
        plant,
        processes: 3,
        operations: 3_000,
        keys: 30,
      })
      const unsettled = results.flatMap((result) => result.unsettled)
      figure(`planted: ${plant}`, { violations: violations.length, unsettled: unsettled.length })
      expect(violations.length + unsettled.length).toBeGreaterThan(0)
    },
  )
})
