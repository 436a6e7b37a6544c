import { spawnWorkers, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startAgents, type Agent, type Agents } from './agents/start-agents.ts'
import { micros, percentile } from './machine-clock.ts'
import { figure } from './scale.ts'
import type { Stampede, StampedeResult } from './workers/stampede.ts'

let server: TestRedis
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))

it.each([
  ['250 callers of each', 250],
  ['260 callers', 13],
])(
  '8 processes, %s of 20 missing keys: 20 loads, and everybody gets the value',
  async (name, callers) => {
    const data: Stampede = { port: server.port, callers, keys: 20, loadMs: 50 }
    const module = new URL('./workers/stampede.ts', import.meta.url)
    await using workers = await spawnWorkers<StampedeResult>(module, { count: 8, data })
    const results = (await workers.results()) as StampedeResult[]
    const latencies = results.flatMap((result) => [...result.latencies])
    const p50 = percentile(latencies, 0.5)
    const loads = results.reduce((sum, result) => sum + result.loads, 0)
    figure(`stampede, 8 processes, ${name} of 20 keys`, {
      callers: latencies.length,
      loads,
      p50,
      p99: percentile(latencies, 0.99),
      max: percentile(latencies, 1),
      unit: 'ms',
    })
    expect(latencies).toHaveLength(8 * callers * 20)
    expect(results.map(({ errors }) => errors)).toEqual(Array(8).fill(0))
    expect(loads).toBe(20)
    expect(results.map(({ wrong }) => wrong)).toEqual(Array(8).fill(0))
    // Eight processes on the two cores of a test machine, other tests beside them.
    expect(p50).toBeLessThan(data.loadMs + 1_000)
  },
)

describe('a load that does not end well', () => {
  let agents: Agents
  let here: Agent
  let others: Agent[]
  beforeEach(async () => {
    agents = await startAgents(4)
    ;[here, ...others] = agents.all as [Agent, ...Agent[]]
    await Promise.all(
      agents.all.map((agent) => agent.open({ port: server.port, namespace: 'flight' })),
    )
  })

  async function waiting(): Promise<void> {
    for (const agent of others) {
      await waitFor(async () => (await agent.stats())['leaseWaited'] === 1, { what: 'the wait' })
    }
  }

  it('killed in mid-load: one more load, when its lease ends at the latest', async () => {
    await using _ = agents
    const lease = { ttl: '1s' } as const
    await here.beginLoad('k', { lease })
    const calls = others.map((agent, i) => agent.getOrSet('k', `by ${i + 1}`, { lease }))
    await waiting()
    await agents.workers.kill(0)
    const killed = micros()
    const values = await Promise.all(calls)
    const took = (micros() - killed) / 1_000
    figure('loader killed', { 'others have the value after': took, unit: 'ms', lease: 1_000 })
    expect(new Set(values).size).toBe(1)
    const loads = await Promise.all(others.map(async (agent) => (await agent.stats())['loads']))
    expect(loads.reduce<number>((sum, count) => sum + Number(count), 0)).toBe(1)
    expect(took).toBeLessThan(1_000 + 300)
  })

  it('throws: all sharers get the error, waiters elsewhere load soon, the next call loads', async () => {
    await using _ = agents
    await here.beginLoad('k')
    const sharing = here.getOrSet('k', 'not asked').catch((error: Error) => error.message)
    const calls = others.map((agent, i) => agent.getOrSet('k', `by ${i + 1}`))
    await waiting()
    const failed = micros()
    expect(await here.failLoad('the source is down')).toBe('the source is down')
    expect(await sharing).toContain('the source is down')
    const values = await Promise.all(calls)
    const took = (micros() - failed) / 1_000
    figure('loader throws', { 'others have the value after': took, unit: 'ms', lease: 5_000 })
    expect(new Set(values).size).toBe(1)
    expect(took).toBeLessThan(1_000)
    expect(await here.getOrSet('k', 'cached by now')).toBe(values[0])

    // Alone, the next call loads at once.
    await here.beginLoad('alone')
    await here.failLoad('again')
    expect(await here.getOrSet('alone', 'next')).toBe('next')
  })
})
