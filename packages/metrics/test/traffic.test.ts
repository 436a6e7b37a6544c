import { createCache } from '@corral/core'
import { recordTrace, startRedis, waitFor } from '@corral/testing'
import type { TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import parse from 'parse-prometheus-text-format'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createMetrics } from '../src/index.ts'
import { cacheCountNames } from '../src/measured.ts'
import { exposeMetrics } from '../src/prometheus/index.ts'
import { durationsOf, expectQuantiles } from './quantiles.ts'

let server: TestRedis
let client: Redis

beforeAll(async () => {
  server = await startRedis({ prefer: 'binary' })
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 50,
  })
  client.on('error', () => {})
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await server.command('FLUSHALL')
})

/** Same numbers each time. */
function sequence(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

const core = ['hit', 'miss', 'set', 'delete', 'load', 'lease-wait', 'invalidate', 'error']

describe('a run of known traffic', () => {
  it('is told as it was, figure by figure', async () => {
    await using cache = createCache({ connection: client, namespace: 'shop:v1', ttl: '1h' })
    await using other = createCache({ connection: client, namespace: 'other:v1', ttl: '1h' })
    using trace = recordTrace(core, 'corral:core:')
    using commands = recordTrace(['corral:connection:command'])
    using metrics = createMetrics({
      cache,
      groups: [
        { name: 'users', prefix: 'user:' },
        { name: 'carts', prefix: 'cart:' },
      ],
    })
    const next = sequence(7)
    const seen = { hits: 0, misses: 0, sets: 0, deletes: 0, loads: 0, failures: 0, bytes: 0 }
    const groups = { users: { hits: 0, misses: 0 }, carts: { hits: 0, misses: 0 } }
    const present = new Set<string>()

    function read(key: string): void {
      const hit = present.has(key)
      seen[hit ? 'hits' : 'misses']++
      groups[key.startsWith('user:') ? 'users' : 'carts'][hit ? 'hits' : 'misses']++
    }
    for (let step = 0; step < 1_500; step++) {
      const key = `${next(2) === 0 ? 'user' : 'cart'}:${next(60)}`
      switch (next(5)) {
        case 0:
          expect(await cache.set(key, { step })).toBe(true)
          present.add(key)
          seen.sets++
          break
        case 1:
          expect(await cache.delete(key)).toBe(true)
          present.delete(key)
          seen.deletes++
          break
        case 2: {
          read(key)
          const wasThere = present.has(key)
          const fails = next(4) === 0
          const load = async (): Promise<number> => {
            seen.loads++
            if (fails) throw new Error('source')
            return step
          }
          const loaded = await cache.getOrSet(key, load).catch(() => undefined)
          if (wasThere) break
          if (fails) seen.failures++
          else {
            expect(loaded).toBe(step)
            present.add(key)
            seen.sets++
            await waitFor(async () => await server.command('EXISTS', `shop:v1::${key}`))
          }
          break
        }
        default:
          read(key)
          expect((await cache.get(key)) !== undefined).toBe(present.has(key))
      }
      if (step % 10 === 0) await other.get('user:1')
    }
    await Promise.all(
      Array.from({ length: 100 }, () => cache.getOrSet('cart:shared', async () => 1)),
    )
    seen.misses++
    groups.carts.misses++
    seen.loads++
    seen.sets++
    await waitFor(() => ofCache('set').filter((m) => m['stored'] === true).length === seen.sets)
    expect(await cache.invalidateTags(['t'])).toBe(true)

    function ofCache(event: string): Record<string, unknown>[] {
      return (trace.of(event) as Record<string, unknown>[]).filter(
        (message) => message['namespace'] === 'shop:v1',
      )
    }
    const { cache: figures, latency, connection } = await metrics.snapshot()
    expect(figures?.totals).toMatchObject({
      hits: seen.hits,
      nearHits: 0,
      misses: seen.misses,
      sets: seen.sets,
      deletes: seen.deletes,
      loads: seen.loads,
      loadFailures: seen.failures,
      coalesced: 99,
      invalidations: 1,
      errors: 0,
      deadlineHits: 0,
      bytesWritten: ofCache('set').reduce((sum, { size }) => sum + Number(size), 0),
    })
    const reads = seen.hits + seen.misses
    expect(figures?.windows['1m']).toMatchObject({
      reads,
      hitRate: seen.hits / reads,
      operations: reads + seen.sets + seen.deletes,
      errorRate: 0,
    })
    expect(figures?.groups['users']).toMatchObject(groups.users)
    expect(figures?.groups['carts']).toMatchObject(groups.carts)
    for (const event of ['hit', 'miss', 'set', 'delete', 'load', 'invalidate'] as const) {
      expectQuantiles(latency.window[event], durationsOf(ofCache(event)))
    }
    const all = commands.of('corral:connection:command') as { outcome: string; calls: number }[]
    expect(connection?.commands).toEqual({
      ok: all.length,
      error: 0,
      deadline: 0,
      lost: 0,
      calls: all.reduce((sum, { calls }) => sum + calls, 0),
    })
    expectQuantiles(latency.window.command, durationsOf(all))

    const registry = new Registry()
    exposeMetrics(registry, metrics)
    const lines = (await registry.metrics()).split('\n')
    expect(lines).toContain(`cache_hits_total{cache="shop:v1",tier="remote"} ${seen.hits}`)
    expect(lines).toContain(`cache_misses_total{cache="shop:v1"} ${seen.misses}`)
    expect(lines).toContain(
      'cache_circuit_breaker_state{cache="shop:v1",node="' +
        `${server.host}:${server.port}",side="read"} 0`,
    )
    expect(lines.join('\n')).not.toMatch(/user:\d|cart:\d|cart:shared/)
    expect(parse(lines.join('\n')).length).toBeGreaterThan(30)
  })

  it('counts near hits each, and times one in 64', async () => {
    await using cache = createCache({
      connection: client,
      namespace: 'near:v1',
      near: { maxEntries: 100, ttl: '1m' },
    })
    using trace = recordTrace(['near-hit', 'near-sample'], 'corral:core:')
    using metrics = createMetrics({ cache, groups: () => 'all' })
    await cache.set('k', 1)
    await waitFor(async () => {
      await cache.get('k')
      return cache.peek('k') !== undefined
    })
    const before = await metrics.snapshot()
    for (let n = 0; n < 10_000; n++) await cache.get('k')
    for (let n = 0; n < 5_000; n++) cache.peek('k')
    for (let n = 0; n < 3_000; n++) await cache.getOrSet('k', () => 2)
    for (let n = 0; n < 1_000; n++) await cache.getMany(['k', 'k'])
    const after = await metrics.snapshot()
    const since = (name: 'hits' | 'nearHits' | 'misses'): number =>
      (after.cache?.totals[name] ?? 0) - (before.cache?.totals[name] ?? 0)
    expect([since('hits'), since('nearHits'), since('misses')]).toEqual([20_000, 20_000, 0])
    expect(trace.of('near-hit')).toHaveLength(after.cache?.totals.nearHits ?? 0)
    expectQuantiles(after.latency.window['near-hit'], durationsOf(trace.of('near-sample')))
    expect(after.latency.totals['near-hit']?.count).toBeGreaterThan(20_000 / 64 / 2)
    const estimate = after.cache?.groups['all']?.nearHits ?? 0
    expect((after.cache?.totals.nearHits ?? 0) - estimate).toBeLessThan(128)
  })

  it('tells the length of entries as they stand in Redis', async () => {
    await using cache = createCache({ connection: client, namespace: 'shop:v1' })
    using metrics = createMetrics({ cache })
    await cache.set('k', { name: 'Ada' })
    for (let n = 0; n < 3; n++) await cache.get('k')
    const text = (await server.command('GET', 'shop:v1::k')) as string
    // The server puts its times before what was sent.
    const sent = text.length - text.indexOf(',"h":')
    const { totals } = (await metrics.snapshot()).cache ?? expect.fail()
    expect([totals.bytesWritten, totals.bytesRead]).toEqual([sent, 3 * text.length])
  })

  it('counts all that a cache counts, by the same names', async () => {
    await using cache = createCache({ namespace: 'shop:v1' })
    expect(Object.keys(cache.counts()).toSorted()).toEqual(cacheCountNames.toSorted())
  })

  it('does not mix caches of one namespace, nor connections', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    const second = new Redis(redis.port, redis.host, { maxRetriesPerRequest: null })
    await using cache = createCache({ connection: client, namespace: 'shop:v1' })
    await using twin = createCache({ connection: client, namespace: 'shop:v1' })
    await using apart = createCache({ connection: second, namespace: 'shop:v1' })
    using all = recordTrace(['corral:connection:command'])
    const measured = [cache, twin, apart].map((each) => createMetrics({ cache: each }))
    await cache.set('k', 1)
    await apart.set('k', 1)
    for (let n = 0; n < 3; n++) await cache.get('k')
    for (let n = 0; n < 5; n++) await twin.get('k')
    for (let n = 0; n < 7; n++) await apart.get('k')
    await redis.pause()
    await waitFor(async () => {
      await apart.get('k')
      return (await measured[2]?.snapshot())?.connection?.breaker.state !== 'closed'
    })
    const figures = await Promise.all(measured.map((metrics) => metrics.snapshot()))
    await redis.resume()
    expect(
      figures.map(({ cache: of, latency }) => [
        of?.totals.hits,
        of?.totals.storeCalls,
        latency.totals.hit?.count,
      ]),
    ).toEqual([
      [3, 1, 3],
      [5, 0, 5],
      [7, 1, 7],
    ])
    const commandsOf = ({ connection }: (typeof figures)[number]): number => {
      const { ok = 0, error = 0, deadline = 0, lost = 0 } = connection?.commands ?? {}
      return ok + error + deadline + lost
    }
    const sources = (all.of('corral:connection:command') as { source: unknown }[]).map(
      ({ source }) => source,
    )
    const told = (one: { connection: { source: unknown } | undefined }): number =>
      sources.filter((source) => source === one.connection?.source).length
    expect(figures.map(commandsOf)).toEqual([told(cache), told(cache), told(apart)])
    expect(told(cache) + told(apart)).toBe(sources.length)
    expect(Math.min(told(cache), told(apart))).toBeGreaterThan(5)
    expect(figures.map(({ connection }) => (connection?.breaker.recent.length ?? 0) > 0)).toEqual([
      false,
      false,
      true,
    ])
    for (const metrics of measured) metrics.close()
    second.disconnect()
  })
})

describe('an outage', () => {
  it('shows in breaker, transitions, deadline hits and error rate as it was', async () => {
    await using cache = createCache({ connection: client, namespace: 'shop:v1' })
    using trace = recordTrace(['error'], 'corral:core:')
    using breaker = recordTrace(['corral:connection:breaker'])
    using metrics = createMetrics({ cache })
    await cache.set('k', 1)
    for (let round = 0; round < 2; round++) {
      await server.pause()
      await waitFor(async () => {
        await cache.get('k')
        return (
          breaker.events.length > 0 &&
          (await metrics.snapshot()).connection?.breaker.state !== 'closed'
        )
      })
      await server.resume()
      await waitFor(async () => (await metrics.snapshot()).connection?.breaker.state === 'closed')
      expect(await cache.get('k')).toBe(1)
    }
    const { connection, cache: figures } = await metrics.snapshot()
    const changes = breaker.of('corral:connection:breaker') as Record<string, string>[]
    expect(connection?.breaker.recent.map(({ at: _, ...change }) => change)).toEqual(
      changes.map(({ source: _, ...change }) => change),
    )
    const opened = changes.filter(({ to, side }) => to === 'open' && side === 'read').length
    expect(opened).toBeGreaterThanOrEqual(2)
    expect(
      connection?.breaker.transitions.find(({ to, side }) => to === 'open' && side === 'read')
        ?.count,
    ).toBe(opened)
    const errors = trace.of('error') as { reason: string }[]
    expect(figures?.totals.errors).toBe(errors.length)
    expect(figures?.totals.deadlineHits).toBe(errors.filter((e) => e.reason === 'deadline').length)
    expect(figures?.totals.deadlineHits).toBeGreaterThan(0)
    expect(figures?.windows['1m'].errorRate).toBeCloseTo(
      errors.length / (figures?.windows['1m'].operations ?? Number.NaN),
      9,
    )
  })
})
