import { spawnWorkers, startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { percentile } from './harness.ts'
import type { NearWorkerData, NearWorkerResult } from './near-worker.ts'

const WORKER = new URL('./near-worker.ts', import.meta.url)
const PROCESSES = 8
// Set to compare with no near cache and with own writes kept; decision 0002 has figures of 64,000.
const COMPARED = process.env['CORRAL_SIGNALS_OPERATIONS']
const OPERATIONS = Number(COMPARED ?? 6_400)

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

async function redisCpu(): Promise<number> {
  const info = String(await redis.command('INFO', 'cpu'))
  const of = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1])
  return (of('used_cpu_user_main_thread') + of('used_cpu_sys_main_thread')) * 1_000
}

async function run(mode: NearWorkerData['mode'], writeShare: number): Promise<NearWorkerResult[]> {
  await redis.command('FLUSHALL')
  const data: NearWorkerData = {
    port: redis.port,
    prefix: `${mode}:`,
    mode,
    writeShare,
    operations: OPERATIONS,
  }
  const before = await redisCpu()
  await using workers = await spawnWorkers<NearWorkerResult>(WORKER, { count: PROCESSES, data })
  const results = (await workers.results()).filter((result) => result !== undefined)
  const sum = (of: (result: NearWorkerResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0)
  const cpu = (await redisCpu()) - before
  const [listener, marking] = results
  const heard = new Map(listener?.markers)
  const delays = (marking?.markers ?? []).map(([key, at]) => (heard.get(key) ?? Infinity) - at)
  const seconds = Math.max(...results.map((each) => each.took)) / 1_000
  // Over both halves, of which only the second is counted: twice its commands.
  const commands = 2 * sum((each) => each.reads - each.hits + each.writes)
  console.log(
    [
      `${mode}, ${writeShare * 100} % writes`,
      `${Math.round(sum((each) => each.reads) / seconds)} reads/s`,
      `${Math.round(sum((each) => each.writes) / seconds)} writes/s`,
      `hit rate ${((100 * sum((each) => each.hits)) / sum((each) => each.reads)).toFixed(1)} %`,
      `client ${((1_000 * sum((each) => each.cpu)) / sum((each) => each.reads + each.writes)).toFixed(1)} us/operation`,
      `redis ${((1_000 * cpu) / commands).toFixed(1)} us/command`,
      ...(mode === 'off'
        ? []
        : [
            `listener ${((1_000 * (listener?.cpu ?? 0)) / (listener?.told ?? 1)).toFixed(1)} us/key told`,
            `${Math.round((listener?.told ?? 0) / seconds)} keys/s told to each`,
            `told after p50 ${percentile(delays, 0.5).toFixed(1)} ms, p99 ${percentile(delays, 0.99).toFixed(1)} ms`,
          ]),
    ].join(' | '),
  )
  return results
}

describe('near caches of eight processes under a heavy write load', () => {
  it.each([0.05, 0.3])('hold nothing stale, with a write share of %s', async (writeShare) => {
    if (COMPARED !== undefined) await run('off', writeShare)
    const results = await run('drop', writeShare)
    expect(results).toHaveLength(PROCESSES)
    expect(results.map((result) => result.lost)).toEqual(results.map(() => 0))
    expect(results.map((result) => result.stale)).toEqual(results.map(() => 0))
    const copies = results.reduce((total, result) => total + result.copies, 0)
    expect(copies).toBeGreaterThan(1_000)
    // Worker 0 hears every marker that worker 1 wrote.
    const heard = new Set(results[0]?.markers.map(([key]) => key))
    expect(results[1]?.markers.length).toBeGreaterThan(10)
    expect(results[1]?.markers.filter(([key]) => !heard.has(key))).toEqual([])
    if (COMPARED !== undefined) await run('keep', writeShare)
  })
})
