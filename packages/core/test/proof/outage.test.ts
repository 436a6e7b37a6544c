import { spawnWorkers, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startAgents, type Agent } from './agents/start-agents.ts'
import { micros, pause, percentile } from './machine-clock.ts'
import { figure, sized } from './scale.ts'
import type { OutageLoad, OutageResult } from './workers/outage-load.ts'

const module = new URL('./workers/outage-load.ts', import.meta.url)
const deadlineMs = 200
const loadMs = 20
/** What is loaded without Redis is kept so long: its ttl, as that is below a second. */
const bufferMs = 300

let server: TestRedis
beforeEach(async () => {
  // Whatever was acknowledged is there after a crash.
  server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
})
afterEach(() => server.stop())

const faults = [
  {
    fault: 'frozen',
    begin: () => server.pause(),
    end: () => server.resume(),
    ms: sized(2_000, 10_000),
  },
  {
    fault: 'killed',
    begin: () => server.kill(),
    end: () => server.restart(),
    ms: sized(1_500, 5_000),
  },
]

describe.each(faults)('Redis $fault under load of 4 processes', ({ fault, begin, end, ms }) => {
  it('loads stay bounded, callers get their value in time, deletes are made up for at once', async () => {
    const data: OutageLoad = {
      port: server.port,
      keys: 40,
      loadMs,
      victims: sized(30, 100),
      narrowKeys: 40,
      maxLoads: 4,
    }
    await using workers = await spawnWorkers<OutageResult>(module, {
      count: 4,
      data,
      gates: ['frozen', 'stop'],
    })
    const go = await workers.gate('frozen')
    await pause(800)
    const frozen = micros()
    await begin()
    go()
    await pause(ms)
    const over = micros()
    await end()
    await pause(1_500)
    const stop = await workers.gate('stop')
    stop()
    const results = (await workers.results()) as OutageResult[]

    const away = (at: number): boolean => at >= frozen && at < over
    const seconds = (over - frozen) / 1e6
    const calls = results.flatMap((result) => result.calls)
    const meanwhile = calls.filter(([at]) => away(at)).map(([, took]) => took)
    const after = calls.filter(([at]) => at >= over).map(([, took]) => took)
    const loads = results.map((result) => result.loadsAt.filter(away).length)
    const [deleting, ...others] = results as [OutageResult, ...OutageResult[]]
    const ready = deleting.availableAt.find((at) => at >= over) ?? Number.NaN
    const unacknowledged = deleting.deletes.flatMap((one, i) => (one.acknowledged ? [] : [i]))
    const lastOld = unacknowledged.flatMap((victim) =>
      others.flatMap((result) => result.lastOld[victim] ?? []),
    )
    figure(`outage, ${fault}`, {
      seconds,
      calls: meanwhile.length,
      p50: percentile(meanwhile, 0.5),
      'p99.9': percentile(meanwhile, 0.999),
      max: percentile(meanwhile, 1),
      'p99.9 after it': percentile(after, 0.999),
      'loads per process': loads,
      'most at once of 4': results.map((result) => result.mostNarrowLoads),
      'deletes not acknowledged': unacknowledged.length,
      'ready after its end, ms': (ready - over) / 1_000,
      'old elsewhere after ready, ms': (Math.max(...lastOld, 0) - ready) / 1_000,
    })

    expect(results.flatMap(({ rejected }) => rejected)).toEqual([])
    expect(meanwhile.length).toBeGreaterThan(seconds * 100)
    expect(percentile(meanwhile, 0.999)).toBeLessThan(deadlineMs + loadMs + 50)
    // Nor does anybody wait for a lease whose holder could not give it back.
    expect(percentile(after, 0.999)).toBeLessThan(deadlineMs + loadMs + 250)
    // Each key once a process and as long as the buffer holds; once more at both ends.
    for (const count of loads) {
      expect(count).toBeLessThanOrEqual(data.keys * (Math.ceil((seconds * 1_000) / bufferMs) + 2))
    }
    for (const { mostNarrowLoads } of results) expect(mostNarrowLoads).toBeLessThanOrEqual(4)

    expect(unacknowledged.length).toBeGreaterThan(data.victims / 2)
    expect(deleting.wrong).toEqual([])
    expect(ready).toBeGreaterThan(over)
    // On two cores that others use too, a process may not even run for so long.
    for (const at of lastOld) expect((at - ready) / 1_000).toBeLessThan(sized(500, 200))
  })
})

it.each([
  ['a fill', (agent: Agent) => agent.endLoad('loaded'), 'loaded'],
  ['the end of a load that failed', (agent: Agent) => agent.failLoad('down'), 'down'],
])('%s that Redis did not hear holds nobody up when it is back', async (_name, end, result) => {
  await using agents = await startAgents(2)
  const [here, there] = agents.all as [Agent, Agent]
  for (const agent of agents.all) {
    await agent.open({ port: server.port, namespace: 'left', deadline: '200ms' })
  }
  await here.beginLoad('k')
  await server.pause()
  expect(await end(here)).toBe(result)
  await waitFor(async () => Number((await here.stats())['errors']) > 0, { what: 'the deadline' })
  await server.resume()
  const began = micros()
  // It may first find Redis away.
  await waitFor(
    async () => (await there.getOrSet('k', 'next')) && (await there.get('k')) === 'next',
  )
  const took = (micros() - began) / 1_000
  figure('loaded elsewhere after Redis is back', { took, unit: 'ms', lease: 5_000 })
  expect(took).toBeLessThan(1_500)
})

it('more deletes than the journal holds stamp the namespace', async () => {
  await using agents = await startAgents(2)
  const [here, there] = agents.all as [Agent, Agent]
  const namespace = 'journal'
  for (const agent of agents.all) {
    await agent.open({ port: server.port, namespace, near: {}, deadline: '200ms' })
    await agent.signalsOn()
  }
  expect(await here.set('never-named', 'old')).toBe(true)
  await waitFor(
    async () => (await there.get('never-named'), (await there.peek('never-named')) === 'old'),
  )
  await server.pause()
  const keys = Array.from({ length: 10_001 }, (_, i) => `k${i}`)
  const gone = await here.deleteMany(keys)
  expect(gone.filter(Boolean)).toEqual([])
  expect((await here.get('never-named')) ?? undefined).toBeUndefined()
  expect((await here.peek('never-named')) ?? undefined).toBeUndefined()
  await server.resume()
  await waitFor(async () => (await server.command('EXISTS', `corral:stamp:{${namespace}}`)) === 1, {
    what: 'the stamp',
    interval: 2,
  })
  const stamped = micros()
  await waitFor(async () => (await there.get('never-named')) == null, {
    what: 'the other process to be told',
    interval: 2,
  })
  figure('journal overflow', { 'told elsewhere after': (micros() - stamped) / 1_000, unit: 'ms' })
  expect((await here.get('never-named')) ?? undefined).toBeUndefined()
  expect(await here.set('never-named', 'new')).toBe(true)
  expect(await there.get('never-named')).toBe('new')
})
