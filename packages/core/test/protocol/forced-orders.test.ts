import { once } from 'node:events'
import { startRedis, type TestRedis } from '@corral/testing'
import fc from 'fast-check'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Violation } from './model/ledger.ts'
import { without } from './model/guards.ts'
import { exploreAll, type Scenario } from './model/model-run.ts'
import { plantedLua } from './model/planted-lua.ts'
import { runReal, type Client } from './model/real-run.ts'
import { bigKeys, bigScenario, planted, smallScenarios } from './model/scenarios.ts'

const change = fc.tuple(
  fc.constantFrom('set', 'delete', 'tag', 'clear', 'foreign-set', 'foreign-delete'),
  fc.constantFrom(...bigKeys),
)
const choices = fc.infiniteStream(fc.nat(1_000_000))

/** Plays random orders; throws what fast-check found, with the Violation as its cause. */
async function playOrders(scenario: Scenario, redis: Client, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(choices, async (stream) => {
      await runReal(scenario, redis, (width) => (stream.next().value as number) % width)
    }),
    { numRuns, endOnFailure: true },
  )
}

/** The clocks of real nodes cannot be bent from here. */
const withoutClocks = ({ offsets: _, ...scenario }: Scenario): Scenario => scenario

const modes = [
  ['one server', 'standalone', 40],
  ['a cluster', 'cluster', 15],
] as const

describe.each(modes)('on %s', (_, mode, numRuns) => {
  let server: TestRedis
  let redis: Client
  beforeAll(async () => {
    server = await startRedis({ mode })
    redis =
      mode === 'cluster'
        ? new Cluster(server.nodes.map(({ host, port }) => ({ host, port })))
        : new Redis(server.url)
    await once(redis, 'ready') // before it, a cluster client lists nodes that it is about to drop
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  test.each(Object.entries(smallScenarios))('%s', async (__, scenario) => {
    const skewUs = mode === 'cluster' ? 250_000 : (scenario.skewUs ?? 0)
    await playOrders({ ...withoutClocks(scenario), skewUs }, redis, numRuns)
  })

  test('everything at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 6 }),
        choices,
        async (list, stream) => {
          const scenario = withoutClocks(bigScenario(mode === 'cluster', list))
          await runReal(scenario, redis, (width) => (stream.next().value as number) % width)
        },
      ),
      { numRuns: Math.ceil(numRuns / 2), endOnFailure: true },
    )
  })

  // The model finds the order of events in which the missing guard shows; here it is played for real.
  test.each(plantedLua)('the checker notices the lack of %s', async (guard, plant) => {
    const scenario = smallScenarios[planted[guard]] as Scenario
    const { path = [] } = exploreAll(scenario, without(guard))
    const follow = (): (() => number) => {
      const rest = [...path]
      return () => rest.shift() ?? 0
    }
    const real = withoutClocks(scenario)
    await runReal(real, redis, follow())
    await expect(runReal(real, redis, follow(), plant)).rejects.toThrow(Violation)
  })
})
