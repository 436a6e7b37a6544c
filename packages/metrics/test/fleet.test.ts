import { createCache } from '@corral/core'
import { memoryAfterGc, spawnWorkers, startProxy, startRedis, waitFor } from '@corral/testing'
import type { TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createFleetTotals } from '../src/index.ts'
import { counting } from './counting.ts'
import type { TotalsJob, TotalsReport } from './workers/totals-worker.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis({ prefer: 'binary' })
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
})

function connect(to: { host: string; port: number } = server): Redis {
  const client = new Redis(to.port, to.host, {
    maxRetriesPerRequest: null,
    retryStrategy: () => 20,
  })
  client.on('error', () => {})
  return client
}

/** As Redis itself has them. */
async function stored(name = 'fleet:v1'): Promise<Record<string, number>> {
  const flat = (await server.command('HGETALL', `corral:totals:{${name}}`)) as string[]
  const entries = flat.flatMap((field, at): [string, number][] =>
    at % 2 === 0 ? [[field, Number(flat[at + 1])]] : [],
  )
  return Object.fromEntries(entries)
}

describe('four processes', () => {
  const job = (rounds: number): TotalsJob => ({ host: server.host, port: server.port, rounds })
  const worker = new URL('./workers/totals-worker.ts', import.meta.url)

  type Reports = readonly (TotalsReport | undefined)[]
  function sumOf(reports: Reports): Record<string, number> {
    const sum = (name: 'hits' | 'misses' | 'nearHits'): number =>
      reports.reduce((total, report) => total + (report?.[name] ?? 0), 0)
    return { hits: sum('hits'), misses: sum('misses'), nearHits: sum('nearHits') }
  }
  function isSum(totals: Record<string, number>, reports: Reports): boolean {
    return Object.entries(sumOf(reports)).every(([name, sum]) => totals[name] === sum)
  }

  async function expectSum(reports: Reports): Promise<void> {
    expect(reports.map((report) => report?.delivered)).toEqual([true, true, true, true])
    expect(await stored()).toEqual(sumOf(reports))
  }

  it('add up a flush interval after they counted, and exactly after they close', async () => {
    await using workers = await spawnWorkers<TotalsReport>(worker, {
      count: 4,
      data: job(3_000),
      gates: ['counted'],
    })
    const go = await workers.gate('counted')
    const counted = workers.reports.map(({ value }) => value as TotalsReport)
    expect(counted).toHaveLength(4)
    // They flush each 100 ms; the rest is for a busy machine.
    await waitFor(async () => isSum(await stored(), counted), { timeout: 1_000 })
    go()
    await expectSum(await workers.results())
  })

  it('add up exactly through a frozen and a killed Redis', async () => {
    await using redis = await startRedis({
      prefer: 'binary',
      args: ['--appendonly', 'yes', '--appendfsync', 'always'],
    })
    const data = { host: redis.host, port: redis.port, rounds: 20_000 }
    await using workers = await spawnWorkers<TotalsReport>(worker, {
      count: 4,
      data,
      gates: ['counted'],
    })
    await waitFor(async () => redis.command('EXISTS', 'corral:totals:{fleet:v1}'), {
      what: 'the first totals',
    })
    await redis.pause()
    const go = await workers.gate('counted')
    await redis.resume()
    await redis.kill()
    go()
    await redis.restart()
    const reports = await workers.results()
    const flat = (await redis.command(
      'HMGET',
      'corral:totals:{fleet:v1}',
      'hits',
      'misses',
    )) as string[]
    const sum = (name: 'hits' | 'misses'): string =>
      String(reports.reduce((total, report) => total + (report?.[name] ?? 0), 0))
    expect(reports.map((report) => report?.delivered)).toEqual([true, true, true, true])
    expect(flat).toEqual([sum('hits'), sum('misses')])
  })
})

describe('totals', () => {
  it('are right within a flush interval, by one command each, and none when nothing happened', async () => {
    const client = connect()
    const cache = counting()
    const totals = createFleetTotals({ cache, connection: client, flushEvery: '300ms' })
    // The first one brings the script by EVAL.
    cache.live.misses = 1
    await waitFor(() => totals.flush())
    const script = async (): Promise<number> => {
      const info = String(await server.command('INFO', 'commandstats'))
      const calls = /cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? '0'
      return Number(calls)
    }
    const before = await script()
    cache.live.hits = 7
    cache.live.misses = 3
    const started = performance.now()
    await waitFor(async () => (await stored())['hits'] === 7, { timeout: 1_000 })
    expect(await totals.read()).toEqual({ hits: 7, misses: 3, nearHits: 0, hitRate: 0.7 })
    const sent = await script()
    expect(sent - before).toBe(1)
    await waitFor(() => performance.now() - started > 1_500)
    expect(await script()).toBe(sent)
    expect(await totals.close()).toBe(true)
    client.disconnect()
  })

  it('neither lose nor double what a lost reply was about', async () => {
    await using proxy = await startProxy({ target: server })
    const client = connect(proxy)
    const cache = counting()
    const totals = createFleetTotals({ cache, connection: client, flushEvery: '1h' })
    await waitFor(() => client.status === 'ready')
    cache.live.hits = 1
    expect(await totals.flush()).toBe(true)
    for (let round = 0; round < 5; round++) {
      cache.live.hits += 10
      cache.live.misses += 1
      const dropped = proxy.dropNextReply({ command: 'evalsha' })
      // Done by the server, unknown here.
      expect(await totals.flush()).toBe(false)
      await dropped
      expect((await stored())['hits']).toBe(cache.live.hits)
      await waitFor(() => client.status === 'ready')
      cache.live.hits += 5
      await waitFor(() => totals.flush())
      expect(await stored()).toMatchObject({ hits: cache.live.hits, misses: cache.live.misses })
    }
    expect(await totals.close()).toBe(true)
    expect(await stored()).toEqual({ hits: 76, misses: 5 })
    client.disconnect()
  })

  it('lose nothing while Redis is frozen, and grow no memory', async () => {
    const client = connect()
    const cache = counting()
    const totals = createFleetTotals({ cache, connection: client, flushEvery: '100ms' })
    await waitFor(() => client.status === 'ready')
    cache.live.hits = 1
    await waitFor(() => totals.flush())
    await server.pause()
    let tries = 0
    let before = 0
    const frozenAt = performance.now()
    while (tries < 25_000) {
      cache.live.hits += 1_000
      cache.live.misses += 10
      await totals.flush()
      if (++tries === 5_000) before = await memoryAfterGc()
    }
    const grown = (await memoryAfterGc()) - before
    expect(performance.now() - frozenAt).toBeGreaterThan(200)
    await server.resume()
    expect(await totals.close()).toBe(true)
    expect(await stored()).toEqual({ hits: 25_000_001, misses: 250_000 })
    // Not what 20,000 flushes would leave behind: an object each would be over a megabyte.
    expect(grown).toBeLessThan(500_000)
    client.disconnect()
  })

  it('say that they could not be delivered when Redis stays away, in the time they were given', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    const client = connect(redis)
    const cache = counting()
    const totals = createFleetTotals({ cache, connection: client, closeWithin: '500ms' })
    await waitFor(() => client.status === 'ready')
    await redis.kill()
    cache.live.hits = 5
    const started = performance.now()
    expect(await totals.close()).toBe(false)
    expect(performance.now() - started).toBeLessThan(1_500)
    client.disconnect()
  })

  it('go on by what came since, when Redis lost what it knew', async () => {
    const client = connect()
    const cache = counting()
    const totals = createFleetTotals({ cache, connection: client, flushEvery: '1h' })
    cache.live.hits = 100
    await waitFor(() => totals.flush())
    await server.command('FLUSHALL')
    cache.live.hits = 107
    expect(await totals.close()).toBe(true)
    expect(await stored()).toEqual({ hits: 7 })
    client.disconnect()
  })

  it('count from when they are made, keep no key for ever but the totals, and touch no other', async () => {
    const client = connect()
    const cache = counting('shop:v1')
    cache.live.hits = 1_000
    const totals = createFleetTotals({ cache, connection: client })
    cache.live.hits = 1_003
    expect(await totals.close()).toBe(true)
    expect(await totals.close()).toBe(true)
    expect(await stored('shop:v1')).toEqual({ hits: 3 })
    const keys = (await server.command('KEYS', '*')) as string[]
    expect(keys).toHaveLength(2)
    for (const key of keys) {
      expect(key).toMatch(/^corral:totals:\{shop:v1\}(:process:[\w-]+)?$/)
      const ends = Number(await server.command('PTTL', key)) > 0
      expect(ends).toBe(key.includes(':process:'))
    }
    client.disconnect()
  })

  it('are told to be of another type by whoever reads them', async () => {
    await server.command('SET', 'corral:totals:{fleet:v1}', 'mine')
    const client = connect()
    const cache = counting()
    const totals = createFleetTotals({ cache, connection: client, closeWithin: 0 })
    cache.live.hits = 1
    await waitFor(() => client.status === 'ready')
    await expect(totals.read()).rejects.toMatchObject({ code: 'WRONG_TYPE' })
    expect(await totals.flush()).toBe(false)
    expect(await totals.close()).toBe(false)
    expect(await server.command('GET', 'corral:totals:{fleet:v1}')).toBe('mine')
    client.disconnect()
  })

  it('are kept where the cache is unless told otherwise', async () => {
    const client = connect()
    const cache = createCache({ connection: client, namespace: 'fleet:v1' })
    const totals = createFleetTotals({ cache })
    await cache.get('absent')
    await cache.close()
    expect(await totals.flush()).toBe(true)
    expect(await stored()).toMatchObject({ misses: 1 })
    expect(await totals.close()).toBe(true)
    client.disconnect()
    const alone = createCache({ namespace: 'fleet:v1' })
    expect(() => createFleetTotals({ cache: alone })).toThrow(
      /^connection: must be given for a cache without one, received undefined$/,
    )
    await alone.close()
  })

  it.each([
    [{ cache: undefined }, /^cache: must have source and counts\(\)/],
    [{ flushEvery: '10ms' }, /^flushEvery: must be 100 ms to an hour/],
    [{ closeWithin: 5_000 }, /^closeWithin: .*did you mean '5000ms'/],
    [{ name: 'a{b}' }, /^name: must be text without braces/],
    [{ nmae: 'x' }, /^nmae: is no option of createFleetTotals/],
  ])('refuse %j', (wrong, message) => {
    const client = new Redis({ lazyConnect: true })
    expect(() =>
      createFleetTotals({ cache: counting(), connection: client, ...wrong } as never),
    ).toThrow(message)
  })
})
