import { shareConnection } from '@corral/connection'
import { startProxy, startRedis, waitFor, type FaultProxy, type TestRedis } from '@corral/testing'
import { createKeyv } from '@keyv/redis'
import { Redis } from 'ioredis'
import type { Keyv } from 'keyv'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCache, type Duration } from '../../src/index.ts'
import { startAgents, type Agent, type Agents } from './agents/start-agents.ts'
import { micros, percentile, turn } from './machine-clock.ts'
import { figure, sized } from './scale.ts'

const namespace = 'shop:v1'
const redisKey = `${namespace}::a:k`
const options = { tags: ['t'], ttl: '1h' } as const

let server: TestRedis
/** In front of what the first process asks; its signals do not pass. */
let mainProxy: FaultProxy
/** In front of the signals of the second. */
let signalsProxy: FaultProxy
let agents: Agents
let here: Agent
let there: Agent
let keyv: Keyv

beforeAll(async () => {
  server = await startRedis()
  mainProxy = await startProxy({ target: server })
  signalsProxy = await startProxy({ target: server })
  agents = await startAgents(2)
  ;[here, there] = agents.all as [Agent, Agent]
  keyv = createKeyv(server.url, { namespace })
})
afterAll(async () => {
  await keyv.disconnect()
  await agents[Symbol.asyncDispose]()
  await mainProxy.close()
  await signalsProxy.close()
  await server.stop()
})

async function openBoth(nearTtl: Duration): Promise<void> {
  await mainProxy.heal()
  await signalsProxy.heal()
  await server.command('FLUSHALL')
  const near = { ttl: nearTtl }
  await Promise.all([
    here.open({ port: mainProxy.port, signalsPort: server.port, namespace, near }),
    there.open({ port: server.port, signalsPort: signalsProxy.port, namespace, near }),
  ])
  await Promise.all([here.signalsOn(), there.signalsOn()])
}

/** Who changes it, how, and what is to be read afterwards. */
const changes: [string, () => Promise<unknown>, unknown][] = [
  ['delete by this process', () => here.delete('a:k'), undefined],
  ['delete by another process', () => there.delete('a:k'), undefined],
  ['set by this process', () => here.set('a:k', 'set', options), 'set'],
  ['set by another process', () => there.set('a:k', 'set', options), 'set'],
  ['tag by this process', () => here.invalidateTags(['t']), undefined],
  ['tag by another process', () => there.invalidateTags(['t']), undefined],
  ['pattern by this process', () => here.deletePattern('a:*'), undefined],
  ['pattern by another process', () => there.deletePattern('a'), undefined],
  ['clear by this process', () => here.clear(), undefined],
  ['clear by another process', () => there.clear(), undefined],
  ['DEL by redis-cli', () => server.command('DEL', redisKey), undefined],
  ['UNLINK by redis-cli', () => server.command('UNLINK', redisKey), undefined],
  ['SET by redis-cli', () => server.command('SET', redisKey, '{"value":"cli"}'), 'cli'],
  ['FLUSHALL by redis-cli', () => server.command('FLUSHALL'), undefined],
  ['delete by Keyv', () => keyv.delete('a:k'), undefined],
  ['set by Keyv', () => keyv.set('a:k', 'keyv', 60_000), 'keyv'],
]

/** What a process that knows nothing yet reads now. */
async function freshRead(): Promise<unknown> {
  const client = new Redis(server.port, server.host, { socketTimeout: 15_000 })
  const connection = shareConnection(client, { deadline: '5s', onWarning: () => {} })
  const cache = createCache({ connection, namespace })
  const value = await cache.get('a:k')
  await cache.close()
  client.disconnect()
  return value
}

/** The process that changed it, and whoever asks Redis, must know now; the others when told. */
async function expectEverywhere(name: string, after: unknown): Promise<void> {
  expect(await freshRead()).toBe(after)
  const informed = name.endsWith(' this process') ? here : there
  const byProcess = / (this|another) process$/.test(name)
  if (byProcess) expect((await informed.get('a:k')) ?? undefined).toBe(after)
  for (const process of [here, there]) {
    await waitFor(async () => ((await process.get('a:k')) ?? undefined) === after, {
      what: 'the signal',
    })
  }
  for (let i = 0; i < 3; i++) {
    expect((await here.get('a:k')) ?? undefined).toBe(after)
    expect((await there.get('a:k')) ?? undefined).toBe(after)
    expect(await freshRead()).toBe(after)
  }
}

describe('an older value is not readable after', () => {
  beforeEach(() => openBoth('1h'))

  it.each(changes)('%s while it was being loaded', async (name, change, after) => {
    await here.beginLoad('a:k', options)
    await change()
    expect(await here.endLoad('old')).toBe('old')
    await expectEverywhere(name, after)
    expect(await here.getOrSet('a:k', 'new', options)).toBe(after ?? 'new')
  })

  it.each(changes)('%s while it was being refreshed', async (name, change, after) => {
    const policy = { ...options, ttl: '50ms', staleWhileRevalidate: '1h' } as const
    await here.set('a:k', 'stale', policy)
    await waitFor(async () => (await here.get('a:k')) === undefined)
    await here.beginLoad('a:k', policy)
    await change()
    expect(await here.endLoad('old')).toBe('stale')
    await waitFor(async () => (await here.stats())['refreshes'] === 1)
    await expectEverywhere(name, after)
  })

  it.each(changes.filter(([name]) => !name.endsWith('this process')))(
    '%s while its reply was on the way',
    async (name, change, after) => {
      await there.set('a:k', 'old', options)
      await there.set('mark', 1)
      await waitFor(async () => (await here.get('mark'), (await here.peek('mark')) === 1))
      await here.getOrSet('other', 1, options) // Its tag's stamp is known.
      mainProxy.clearStats()
      mainProxy.blackHole('down')
      const bytes = await answered()
      const reading = here.get('a:k')
      await waitFor(async () => (await answered()) > bytes, { what: 'the read', interval: 1 })
      await change()
      await server.command('DEL', `${namespace}::mark`)
      await here.untilPeekIsNot('mark', 1)
      await mainProxy.heal()
      // It was begun before: it may be answered so, and must not be kept.
      expect(['old', undefined, null, after]).toContain(await reading)
      expect((await here.peek('a:k')) ?? undefined).not.toBe('old')
      await expectEverywhere(name, after)
    },
  )

  /** How many MGETs and GETs the server has run. */
  async function answered(): Promise<number> {
    const stats = String(await server.command('INFO', 'commandstats'))
    let sum = 0
    for (const [, calls] of stats.matchAll(/cmdstat_m?get:calls=(\d+)/g)) sum += Number(calls)
    return sum
  }
})

describe("another process's copy", () => {
  it.each(changes.filter(([name]) => !name.endsWith('another process')))(
    '%s ends within 20 ms of being known here',
    async (_name, change, after) => {
      await openBoth('1h')
      const took: number[] = []
      for (let round = 0; round < sized(15, 200); round++) {
        const value = `old ${round}`
        await here.set('a:k', value, options)
        await waitFor(async () => (await there.get('a:k'), (await there.peek('a:k')) === value), {
          what: 'a copy',
          interval: 1,
        })
        const watching = there.untilPeekIsNot('a:k', value)
        await turn()
        await change()
        const acknowledged = micros()
        took.push(((await watching) - acknowledged) / 1_000)
        expect((await there.get('a:k')) ?? undefined).toBe(after)
      }
      figure(`signal, ${_name}`, {
        p50: percentile(took, 0.5),
        p99: percentile(took, 0.99),
        unit: 'ms',
      })
      expect(percentile(took, 0.5)).toBeLessThan(20)
    },
  )

  it('is not served past near.ttl when no signal arrives, nor past the loss of signals', async () => {
    for (const [nearTtl, bound] of [
      ['300ms', 300],
      // A loss that makes no noise is known after 950 ms and the deadline.
      ['1h', 1_150],
    ] as const) {
      await openBoth(nearTtl)
      const near = { ttl: nearTtl }
      const signalsPort = signalsProxy.port
      await there.open({ port: server.port, signalsPort, namespace, near, deadline: '200ms' })
      await there.signalsOn()
      await here.set('a:k', 'old', options)
      await waitFor(async () => (await there.get('a:k'), (await there.peek('a:k')) === 'old'))
      signalsProxy.blackHole()
      expect(await there.get('a:k')).toBe('old')
      await here.delete('a:k')
      const deleted = micros()
      const last = await there.lastSeen('a:k', 'old', 2_500)
      const late = ((last ?? deleted) - deleted) / 1_000
      figure('signals black-holed', { nearTtl, served: late, unit: 'ms' })
      expect(late).toBeLessThan(bound + sized(800, 150))
      expect((await there.get('a:k')) ?? undefined).toBeUndefined()
      await signalsProxy.heal()
      await there.signalsOn()
      expect(await there.getOrSet('a:k', 'new', options)).toBe('new')
    }
  })
})
