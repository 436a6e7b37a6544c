import { channel } from 'node:diagnostics_channel'
import type { ConnectionHealth } from '@corral/connection'
import { fakeClock } from '@corral/testing'
import parse from 'parse-prometheus-text-format'
import { type OpenMetricsContentType, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { families } from '../families/families.ts'
import type { CacheCounts, MeasuredCache, MeasuredConnection, MeasuredLocks } from '../measured.ts'
import { createMetrics } from '../metrics.ts'
import { exposeMetrics } from './index.ts'

const counts: CacheCounts = {
  hits: 95,
  nearHits: 40,
  misses: 5,
  sets: 6,
  deletes: 7,
  loads: 8,
  coalesced: 9,
  staleServed: 10,
  leaseWaited: 11,
  refreshes: 12,
  earlyRefreshes: 13,
  outageHits: 14,
  errors: 15,
}

function cacheNamed(name: string): MeasuredCache {
  let read = 0
  const nothing = Object.fromEntries(Object.keys(counts).map((count) => [count, 0]))
  return {
    source: { kind: 'cache', name },
    // The first reading is where the windows begin.
    counts: () => (read++ === 0 ? (nothing as unknown as CacheCounts) : counts),
  }
}

const node = { client: 'ready', pending: 2, queued: 3 }
const connection: MeasuredConnection = {
  source: { kind: 'connection', name: 'redis' },
  health: async (): Promise<ConnectionHealth> => ({
    status: 'degraded',
    healthy: false,
    latency: 1,
    reconnectAttempts: 4,
    signals: { state: 'off', tracking: false },
    nodes: [
      { ...node, node: 'a:1', read: 'closed', write: 'open' },
      { ...node, node: 'b:1', read: 'half-open', write: 'closed' },
    ],
  }),
}
const locks: MeasuredLocks = {
  source: { kind: 'locks', name: 'shop:v1' },
  stats: () => ({ held: 1, waiting: 2, unreleased: 0 }),
  list: async () => [3, 2].map((holders) => ({ holders: Array.from({ length: holders }) })),
}

function publishSome(source: object): void {
  const of = { source, namespace: 'shop:v1', key: 'user:1', duration: 2 }
  channel('corral:core:hit').publish({ ...of, tier: 'remote', stale: false, size: 100 })
  channel('corral:core:hits').publish({ ...of, tier: 'remote', count: 1, size: 100 })
  channel('corral:core:near-sample').publish({ ...of, duration: 0.002, every: 64 })
  channel('corral:core:miss').publish({ ...of, reason: 'absent' })
  channel('corral:core:set').publish({ ...of, stored: true, size: 50, ttlMs: 1 })
  channel('corral:core:load').publish({ ...of, outcome: 'stored', behind: false })
  channel('corral:connection:breaker').publish({
    source: connection.source,
    node: 'a:1',
    side: 'write',
    from: 'closed',
    to: 'open',
  })
  channel('corral:connection:command').publish({
    source: connection.source,
    node: 'a:1',
    calls: 3,
    duration: 1,
    outcome: 'ok',
  })
  channel('corral:locks:acquired').publish({ source: locks.source, name: 'x', waited: 5 })
  channel('corral:locks:refused').publish({
    source: locks.source,
    name: 'x',
    waited: 5,
    code: 'LOCK_TIMEOUT',
  })
}

async function exposition(): Promise<string> {
  const cache = cacheNamed('shop:v1')
  using metrics = createMetrics({
    cache,
    connection,
    locks,
    clock: fakeClock(),
    groups: () => 'users',
  })
  publishSome(cache.source)
  const registry = new Registry()
  exposeMetrics(registry, metrics)
  return registry.metrics()
}

describe('exposition', () => {
  it('is read by a parser, with every family in it', async () => {
    const read = parse(await exposition())
    expect(read.map(({ name }) => name).toSorted()).toEqual(families.map((f) => f.name).toSorted())
    for (const { name, type, help } of read) {
      const family = families.find((each) => each.name === name)
      expect([type.toLowerCase(), help]).toEqual([family?.type, family?.help])
    }
  })

  it('has the lines that the seed documents promise', async () => {
    const lines = (await exposition()).split('\n')
    expect(lines).toContain('cache_hit_rate{cache="shop:v1",window="5m"} 0.95')
    expect(lines).toContain(
      'cache_circuit_breaker_state{cache="shop:v1",node="a:1",side="write"} 1',
    )
    expect(lines).toContain('cache_circuit_breaker_state{cache="shop:v1",node="b:1",side="read"} 2')
    expect(lines).toContain('cache_circuit_breaker_state{cache="shop:v1",node="a:1",side="read"} 0')
    expect(lines).toContain('cache_active_locks{cache="shop:v1"} 5')
    expect(lines).toContain('cache_hits_total{cache="shop:v1",tier="near"} 40')
    expect(lines).toContain('cache_hits_total{cache="shop:v1",tier="remote"} 55')
    expect(lines).toContain('cache_errors_total{cache="shop:v1"} 15')
    expect(lines).toContain(
      'cache_operation_latency_seconds_count{cache="shop:v1",operation="hit"} 1',
    )
    const p95 = lines.find((line) =>
      /latency_seconds\{.*operation="hit",quantile="0.95"/.test(line),
    )
    expect(Number(p95?.split(' ').at(-1))).toBeCloseTo(0.002, 4)
  })

  it('carries only the labels that its families declare', async () => {
    const text = await exposition()
    for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
      const name = (/^\w+/.exec(line) ?? [''])[0]
      const family =
        families.find((each) => name.replace(/_(sum|count)$/, '') === each.name) ??
        families.find((each) => name === each.name)
      const labels = [...line.matchAll(/(\w+)="/g)].map(([, label]) => label)
      expect([
        name,
        labels.filter((label) => !['cache', ...(family?.labels ?? [])].includes(label ?? '')),
      ]).toEqual([name, []])
    }
  })

  it('is OpenMetrics when the registry says so', async () => {
    const registry = new Registry<OpenMetricsContentType>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    using metrics = createMetrics({ cache: cacheNamed('shop:v1'), clock: fakeClock() })
    exposeMetrics(registry, metrics)
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await registry.metrics()
      expect(text).toContain('# TYPE cache_misses counter\ncache_misses_total{cache="shop:v1"} 5')
      expect(text.endsWith('# EOF\n')).toBe(true)
    }
  })

  it('tells several caches beside each other, refuses two of one name, and can be taken out', async () => {
    const clock = fakeClock()
    const make = (name: string): ReturnType<typeof createMetrics> =>
      createMetrics({ cache: cacheNamed('shop:v1'), clock, name })
    using first = make('a')
    using second = make('b"\n\\')
    using third = make('a')
    const registry = new Registry()
    const stop = exposeMetrics(registry, [first, second])
    const values = parse(await registry.metrics()).find(({ name }) => name === 'cache_misses_total')
    expect(values?.metrics.map(({ labels }) => labels?.['cache'])).toEqual(['a', 'b"\n\\'])
    expect(() => exposeMetrics(new Registry(), [first, third])).toThrow(
      /^metrics: two are named "a"/,
    )
    stop()
    expect(registry.getMetricsAsArray()).toEqual([])
  })

  it('says which argument is not what it should be', () => {
    using metrics = createMetrics({ cache: cacheNamed('a') })
    const expose = exposeMetrics as (registry: unknown, metrics: unknown) => void
    expect(() => expose(metrics, new Registry())).toThrow(
      'registry: must be a Registry of prom-client, received an object',
    )
    for (const { given, kind } of [
      { given: undefined, kind: 'undefined' },
      { given: cacheNamed('a'), kind: 'an object' },
      { given: [metrics, null], kind: 'null' },
    ]) {
      expect(() => expose(new Registry(), given)).toThrow(
        `metrics: must be of createMetrics, or an array of such, received ${kind}`,
      )
    }
  })

  it('takes one snapshot for a scrape', async () => {
    let snapshots = 0
    using metrics = createMetrics({ cache: cacheNamed('shop:v1'), clock: fakeClock() })
    const registry = new Registry()
    exposeMetrics(registry, {
      ...metrics,
      snapshot: async () => {
        snapshots++
        return metrics.snapshot()
      },
    })
    await registry.metrics()
    await registry.metrics()
    expect(snapshots).toBe(2)
  })
})
