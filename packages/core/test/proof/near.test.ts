import { startProxy, startRedis, waitFor, type FaultProxy, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCache, type NearCopy } from '../../src/index.ts'
import { startAgents, type Agent, type Agents } from './agents/start-agents.ts'
import { micros } from './machine-clock.ts'
import { figure, sized } from './scale.ts'

const namespace = 'near'
let server: TestRedis
let signalsProxy: FaultProxy
let agents: Agents
let here: Agent
let there: Agent

beforeAll(async () => {
  server = await startRedis()
  signalsProxy = await startProxy({ target: server })
  agents = await startAgents(2)
  ;[here, there] = agents.all as [Agent, Agent]
})
afterAll(async () => {
  await agents[Symbol.asyncDispose]()
  await signalsProxy.close()
  await server.stop()
})
beforeEach(async () => {
  await signalsProxy.heal()
  await server.command('FLUSHALL')
  const near = { ttl: '1h' } as const
  const signalsPort = signalsProxy.port
  await here.open({ port: server.port, signalsPort, namespace, near, deadline: '200ms' })
  await there.open({ port: server.port, namespace, near })
  await Promise.all([here.signalsOn(), there.signalsOn()])
})

async function copied(key: string, value: unknown): Promise<void> {
  await waitFor(async () => (await here.get(key), (await here.peek(key)) === value), {
    what: 'a copy',
    interval: 1,
  })
}

describe('with the signal connection', () => {
  const changes: [string, () => Promise<unknown>][] = [
    ['delete', () => there.delete('k')],
    ['tag', () => there.invalidateTags(['t'])],
    ['clear', () => there.clear()],
  ]
  it.each(changes)('cut, no copy is served, and a %s meanwhile is seen', async (_name, change) => {
    await there.set('k', 'old', { tags: ['t'] })
    await copied('k', 'old')
    signalsProxy.reset()
    await signalsProxy.refuse(true)
    await waitFor(async () => (await here.signalState()) === 'lost', { interval: 1 })
    expect((await here.peek('k')) ?? null).toBeNull()
    expect(await here.get('k')).toBe('old')
    expect((await here.peek('k')) ?? null).toBeNull()
    await change()
    // Redis is asked for the value and for its stamps.
    expect((await here.get('k')) ?? null).toBeNull()
    await there.set('k', 'new', { tags: ['t'] })
    expect(await here.get('k')).toBe('new')
    await signalsProxy.heal()
    await here.signalsOn()
    await copied('k', 'new')
    await change()
    await here.untilPeekIsNot('k', 'new')
    expect((await here.get('k')) ?? null).toBeNull()
  })

  it.each(changes)(
    'silent, what a %s took away is not served past the loss',
    async (name, change) => {
      await there.set('k', 'old', { tags: ['t'] })
      await copied('k', 'old')
      signalsProxy.blackHole()
      await change()
      const changed = micros()
      const last = (await here.lastSeen('k', 'old', 2_000)) ?? changed
      figure(`signals silent, ${name}`, { served: (last - changed) / 1_000, unit: 'ms' })
      // A loss that makes no noise is known after 950 ms and the deadline of 200.
      expect((last - changed) / 1_000).toBeLessThan(1_150 + sized(800, 150))
      expect(await here.signalState()).toBe('lost')
      await there.set('k', 'new', { tags: ['t'] })
      expect(await here.get('k')).toBe('new')
      await signalsProxy.heal()
      await here.signalsOn()
      await copied('k', 'new')
    },
  )
})

describe('a copy ends with its entry', () => {
  it.each([
    ['as it was set', () => there.set('k', 'v', { ttl: '400ms' }), 400],
    [
      'as expire says',
      async () => {
        await there.set('k', 'v', { ttl: '1h' })
        await copied('k', 'v')
        await there.expire('k', '400ms')
      },
      400,
    ],
  ])('%s', async (name, begin, ms) => {
    await begin()
    const ends = micros() + ms * 1_000
    await waitFor(async () => (await here.get('k')) === 'v', { interval: 1 })
    const last = (await here.lastSeen('k', 'v', 2 * ms)) ?? 0
    figure(`a copy ends ${name}`, { late: (last - ends) / 1_000, unit: 'ms' })
    // A read that begins before the end may be answered after it.
    expect(last).toBeLessThan(ends + 5_000)
    expect(last).toBeGreaterThan(ends - 150_000)
  })
})

it.each(['freeze', 'clone'] satisfies NearCopy[])(
  'what is handed out cannot change the copy: %s',
  async (copy) => {
    const client = new Redis(server.port, server.host, { socketTimeout: 15_000 })
    const cache = createCache({ connection: client, namespace, near: { copy } })
    await cache.get('warm-up')
    await cache.connection?.signals.whenOn(5_000)
    const value = { list: [{ name: 'Ada' }], bytes: Buffer.from('abc') }
    const plain = { list: [{ name: 'Ada' }] }
    const reads: [string, object, () => Promise<unknown>][] = [
      ['plain', plain, () => cache.get('plain')],
      ['plain', plain, () => cache.getOrSet('plain', () => ({ ...plain }))],
      ['plain', plain, async () => cache.peek('plain')],
      ['plain', plain, async () => (await cache.getMany(['plain']))[0]],
      ['bytes', value, () => cache.get('bytes')],
      ['bytes', value, () => cache.getOrSet('bytes', () => ({ ...value }))],
    ]
    for (const [key, expected, read] of reads) {
      // From the loader, from Redis, and from the copy.
      for (let i = 0; i < 3; i++) {
        const got = (await read()) as { list: { name: string }[]; bytes?: Buffer } | undefined
        if (got === undefined) continue
        try {
          ;(got.list[0] as { name: string }).name = 'changed'
          got.list.push({ name: 'more' })
          got.bytes?.write('x')
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
        }
        expect(await cache.get(key)).toEqual(expected)
        expect(await cache.getOrSet(key, () => 'unused')).toEqual(expected)
        await waitFor(async () => (await cache.get(key), cache.peek(key) !== undefined))
      }
      if (key === 'plain') await cache.set(key, plain)
      else await cache.set(key, value)
    }
    await cache.close()
    client.disconnect()
  },
)
