import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startAgents, type Agent, type Agents } from './agents/start-agents.ts'
import { micros } from './machine-clock.ts'
import { figure } from './scale.ts'

let server: TestRedis
let agents: Agents
beforeAll(async () => {
  server = await startRedis()
  agents = await startAgents(2)
})
afterAll(async () => {
  await agents[Symbol.asyncDispose]()
  await server.stop()
})

it.each([
  ['delete', (agent: Agent) => agent.delete('k'), false],
  ['set', (agent: Agent) => agent.set('k', 'refused'), false],
  ['tag', (agent: Agent) => agent.invalidateTags(['t']), false],
  ['clear', (agent: Agent) => agent.clear(), false],
  ['pattern', (agent: Agent) => agent.deletePattern('k*'), 0],
] as const)(
  'a %s that is refused while reads are answered is in force here, and everywhere once writes are',
  async (_name, change, told) => {
    await server.command('FLUSHALL')
    const [here, there] = agents.all as [Agent, Agent]
    for (const agent of agents.all) {
      await agent.open({ port: server.port, namespace: 'refused', near: {} })
      await agent.signalsOn()
    }
    await there.set('k', 'old', { tags: ['t'] })
    for (const agent of [here, there]) {
      await waitFor(async () => (await agent.get('k'), (await agent.peek('k')) === 'old'))
    }
    // No replica is there: Redis reads, and refuses every write.
    await server.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
    expect(await change(here)).toBe(told)
    for (let i = 0; i < 20; i++) {
      expect((await here.get('k')) ?? null).toBeNull()
      expect((await here.peek('k')) ?? null).toBeNull()
      expect(await here.getOrSet('k', 'new', { tags: ['t'] })).toBe('new')
    }
    expect(await there.get('k')).toBe('old')
    await server.command('CONFIG', 'SET', 'min-replicas-to-write', '0')
    const writable = micros()
    await waitFor(async () => (await there.get('k')) == null, { interval: 5 })
    figure(`${_name} refused, made up for`, { took: (micros() - writable) / 1_000, unit: 'ms' })
    expect((await here.get('k')) ?? null).toBeNull()
    await waitFor(async () => {
      await here.set('k', 'newest', { tags: ['t'] })
      return (await here.get('k')) === 'newest'
    })
    expect(await there.get('k')).toBe('newest')
  },
)
