import { shareConnection } from '@corral/connection'
import { monitor, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCache, type Cache } from '../../src/index.ts'
import { startAgents, type Agent, type Agents } from './agents/start-agents.ts'
import { micros } from './machine-clock.ts'
import { figure, sized } from './scale.ts'

const namespace = 'tags'
const members = sized(10_000, 100_000)

let server: TestRedis
let client: Redis
let cache: Cache
let agents: Agents
let there: Agent

beforeAll(async () => {
  server = await startRedis()
  agents = await startAgents(1)
  ;[there] = agents.all as [Agent]
})
afterAll(async () => {
  await agents[Symbol.asyncDispose]()
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
  client = new Redis(server.port, server.host, { socketTimeout: 15_000 })
  const connection = shareConnection(client, { deadline: '5s', onWarning: () => {} })
  cache = createCache({ connection, namespace })
  await there.open({ port: server.port, namespace, near: { maxEntries: 200_000 } })
  await there.signalsOn()
  return async () => {
    await cache.close()
    client.disconnect()
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
  }
})

function addressOf(redis: Redis): string {
  const { localAddress, localPort } = redis.stream
  return `${localAddress}:${localPort}`
}

async function fill(count: number, at: (i: number) => { key: string; tags: string[] }) {
  for (let from = 0; from < count; from += 2_000) {
    const entries = Array.from({ length: Math.min(2_000, count - from) }, (_, i) => ({
      ...at(from + i),
      value: from + i,
    }))
    expect((await cache.setMany(entries)).every(Boolean)).toBe(true)
  }
}

describe('a tag with many members', () => {
  it.each([
    ['', false],
    [', with Redis full', true],
  ])('is invalidated by one command, in every process%s', async (name, full) => {
    await fill(members, (i) => ({ key: `k${i}`, tags: i % 2 === 0 ? ['all', 'even'] : ['all'] }))
    expect(await cache.set('other', 'stays', { tags: ['none'] })).toBe(true)
    const some = Array.from({ length: 200 }, (_, i) => `k${Math.floor((i * members) / 200)}`)
    await waitFor(async () => {
      for (const key of some) await there.get(key)
      return (await there.peek(some[199] as string)) !== null
    })
    if (full) {
      await server.command('CONFIG', 'SET', 'maxmemory', '1mb')
      await expect(server.command('SET', 'x', 'y')).rejects.toThrow('OOM')
    }
    await using watching = await monitor(server)
    const began = performance.now()
    expect(await cache.invalidateTags(['all'])).toBe(true)
    const took = performance.now() - began
    const sent = await watching.commands({ client: addressOf(client) })
    const names = sent.map((command) => command.name).filter((sent) => sent !== 'TIME')
    // EVAL where the server has not seen the script yet.
    expect(names).toHaveLength(1)
    expect(names[0]).toMatch(/^EVAL(SHA)?$/)
    figure(`tag of ${members} members${name}`, { took, unit: 'ms' })

    expect((await cache.getMany(some)).filter((value) => value !== undefined)).toEqual([])
    await waitFor(async () => (await there.peek(some[0] as string)) == null, {
      what: 'the signal',
      interval: 1,
    })
    for (const key of some) {
      expect([key, (await there.peek(key)) ?? null, (await there.get(key)) ?? null]).toEqual([
        key,
        null,
        null,
      ])
    }
    expect(await cache.get('other')).toBe('stays')
    expect(await there.get('other')).toBe('stays')
  })
})

describe('clear', () => {
  it('is in force at once, and what is set after it stays while and after it sweeps', async () => {
    await fill(members, (i) => ({ key: `k${i}`, tags: [] }))
    expect(await there.get('k1')).toBe(1)
    let sets = 0
    expect(await cache.clear()).toBe(true)
    expect(await cache.set('a', 1)).toBe(true)
    expect(await cache.get('a')).toBe(1)
    const swept = waitFor(async () => Number(await server.command('DBSIZE')) < 100, {
      what: 'the sweep',
      timeout: 50_000,
      interval: 20,
    }).then(() => true)
    let done = false
    void swept.then(() => (done = true))
    while (!done) {
      // Each key anew: the sweep comes by all of them.
      const key = `k${Math.floor(Math.random() * members)}`
      expect(await cache.get(key)).toBeUndefined()
      const own = `own${sets++ % 50}`
      expect(await cache.set(own, sets)).toBe(true)
      expect(await cache.get(own)).toBe(sets)
      expect(await cache.get('a')).toBe(1)
    }
    expect(await cache.get('a')).toBe(1)
    await waitFor(async () => (await there.get('k1')) == null)
    expect(await there.get('a')).toBe(1)
    figure('clear, set, get during the sweep', { sets })
    expect(sets).toBeGreaterThan(10)
  })

  it('clear and deletePattern of a third of the keys: no long command, no KEYS', async () => {
    const ours = sized(20_000, 200_000)
    await fill(ours, (i) => ({ key: `user:${i % 2}:${i}`, tags: [] }))
    const foreign = ours / 2
    for (let from = 0; from < foreign; from += 5_000) {
      const pairs = Array.from({ length: 5_000 }, (_, i) => [`bull:q:${from + i}`, 'x']).flat()
      await client.mset(...pairs)
    }
    await server.command('CONFIG', 'SET', 'slowlog-log-slower-than', '1000')
    await server.command('CONFIG', 'SET', 'latency-tracking-info-percentiles', '50 99 99.9')
    for (const [name, call] of [
      ['deletePattern', () => cache.deletePattern('user:1:*')],
      ['clear', () => cache.clear({ wait: true })],
    ] as const) {
      await server.command('SLOWLOG', 'RESET')
      await server.command('CONFIG', 'RESETSTAT')
      const began = micros()
      const result = await call()
      const took = (micros() - began) / 1_000
      const costs = await serverTimes()
      const slow = (await server.command('SLOWLOG', 'GET', '1000')) as SlowEntry[]
      figure(`${name} of ${ours / 2} keys among ${ours + foreign}`, {
        took,
        'calls and server time in us': costs,
        'over 1 ms': slow.map(([, , time, [command]]) => `${command} ${time}`),
      })
      expect(result).toBe(name === 'clear' ? true : ours / 2)
      expect(costs['keys']).toBeUndefined()
      for (const command of ['evalsha', 'scan']) {
        expect(costs[command]?.calls).toBeGreaterThan(50)
        // SLOWLOG counts time, too, in which the machine did not let the server run.
        expect(costs[command]?.p99).toBeLessThan(1_000)
      }
    }
    expect(await server.command('DBSIZE')).toBe(foreign + 1)
    await server.command('CONFIG', 'SET', 'slowlog-log-slower-than', '10000')
  })

  type SlowEntry = [id: number, at: number, time: number, command: string[]]
  type Cost = { readonly calls: number; readonly p50: number; readonly p99: number }

  /** What the server spent on commands since its counts were reset, those inside scripts as well. */
  async function serverTimes(): Promise<Record<string, Cost>> {
    const counted = String(await server.command('INFO', 'commandstats'))
    const timed = String(await server.command('INFO', 'latencystats'))
    const costs: Record<string, Cost> = {}
    const rows = timed.matchAll(/latency_percentiles_usec_(\S+?):p50=([\d.]+),p99=([\d.]+)/g)
    for (const [, name = '', p50, p99] of rows) {
      const calls = new RegExp(`cmdstat_${name}:calls=(\\d+)`.replace('|', '\\|')).exec(
        counted,
      )?.[1]
      costs[name] = { calls: Number(calls), p50: Number(p50), p99: Number(p99) }
    }
    return costs
  }
})
