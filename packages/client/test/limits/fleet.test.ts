import { spawnWorkers, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RateAlgorithm } from '../../src/index.ts'
import type { LimitJob, LimitReport } from '../workers/limit-worker.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

const worker = new URL('../workers/limit-worker.ts', import.meta.url)
// Of these nothing comes back within the test: an hour's rate is under one call a second.
const algorithms: readonly RateAlgorithm[] = ['fixed-window', 'sliding-window', 'sliding-log']
const job = (changes: Partial<LimitJob>): LimitJob => ({
  host: server.host,
  port: server.port,
  limit: 100,
  calls: 60,
  algorithms,
  ...changes,
})

async function immortalKeys(): Promise<string[]> {
  const keys = (await server.command('KEYS', 'corral:limit:*')) as string[]
  const found: string[] = []
  for (const key of keys) if (Number(await server.command('PTTL', key)) === -1) found.push(key)
  return found
}

describe('eight processes at once, their clocks hours apart', () => {
  it('admit exactly the limit between them', async () => {
    await server.command('FLUSHALL')
    await using workers = await spawnWorkers<LimitReport>(worker, { count: 8, data: job({}) })
    const reports = await workers.results()
    const sum = (name: string): number =>
      reports.reduce((total, report) => total + (report?.[name] ?? 0), 0)
    for (const name of [...algorithms, 'both', 'increment', 'concurrency']) {
      expect([name, sum(name)]).toEqual([name, 100])
    }
    expect(await immortalKeys()).toEqual([])
  })

  it('admit what drains in time on top of the limit, where calls drain', async () => {
    await server.command('FLUSHALL')
    const started = performance.now()
    await using workers = await spawnWorkers<LimitReport>(worker, {
      count: 8,
      data: job({ algorithms: ['token-bucket', 'gcra'] }),
    })
    const reports = await workers.results()
    const hours = (performance.now() - started) / 3_600_000
    for (const name of ['token-bucket', 'gcra']) {
      const sum = reports.reduce((total, report) => total + (report?.[name] ?? 0), 0)
      expect(sum).toBeGreaterThanOrEqual(100)
      expect(sum).toBeLessThanOrEqual(100 + Math.ceil(100 * hours))
    }
  })
})

describe('a killed client', () => {
  it('leaves no key without an end', async () => {
    await server.command('FLUSHALL')
    await using workers = await spawnWorkers(worker, {
      count: 4,
      data: job({ forever: true, algorithms: [...algorithms, 'gcra'] }),
    })
    await waitFor(() => workers.reports.length === 4, { what: 'the workers to begin' })
    for (let i = 0; i < 4; i++) {
      const before = Number(await server.command('DBSIZE'))
      await waitFor(async () => Number(await server.command('DBSIZE')) > before + 200)
      await workers.kill(i)
    }
    expect(Number(await server.command('DBSIZE'))).toBeGreaterThan(800)
    expect(await immortalKeys()).toEqual([])
  })
})
