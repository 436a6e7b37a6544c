import { channel } from 'node:diagnostics_channel'
import type { ConnectionHealth, SourceId } from '@corral/connection'
import { fakeClock } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import type { CacheCounts, MeasuredCache, MeasuredLocks } from './measured.ts'
import { createMetrics } from './metrics.ts'

type Live = { -readonly [Name in keyof CacheCounts]: number }

function fakeCache(name = 'shop:v1'): MeasuredCache & { readonly live: Live } {
  const live: Live = {
    hits: 0,
    nearHits: 0,
    misses: 0,
    sets: 0,
    deletes: 0,
    loads: 0,
    coalesced: 0,
    staleServed: 0,
    leaseWaited: 0,
    refreshes: 0,
    earlyRefreshes: 0,
    outageHits: 0,
    errors: 0,
  }
  const source: SourceId = { kind: 'cache', name }
  return { live, source, counts: () => live }
}

function publish(name: string, message: object): void {
  channel(name).publish(message)
}

const channels = [
  'corral:core:hit',
  'corral:core:hits',
  'corral:core:near-sample',
  'corral:core:miss',
  'corral:core:set',
  'corral:core:delete',
  'corral:core:invalidate',
  'corral:core:load',
  'corral:core:lease-wait',
  'corral:core:error',
  'corral:connection:command',
  'corral:connection:breaker',
  'corral:locks:acquired',
  'corral:locks:released',
  'corral:locks:lost',
  'corral:locks:refused',
]

const ofConnection = { source: { kind: 'connection', name: 'redis' } } as const
const ofLocks = { source: { kind: 'locks', name: 'shop' } } as const

const health: ConnectionHealth = {
  status: 'ok',
  healthy: true,
  latency: 0.2,
  reconnectAttempts: 3,
  signals: { state: 'off', tracking: false },
  nodes: [],
}

describe('windows', () => {
  it('count exactly what happened within them', async () => {
    const clock = fakeClock()
    const cache = fakeCache()
    using metrics = createMetrics({ cache, clock })
    const perSecond: { hits: number; nearHits: number; misses: number }[] = []
    for (let second = 0; second < 1_000; second++) {
      const hits = (second * 7) % 11
      const done = { hits, nearHits: Math.floor(hits / 2), misses: (second * 5) % 7 }
      perSecond.push(done)
      cache.live.hits += done.hits
      cache.live.nearHits += done.nearHits
      cache.live.misses += done.misses
      await clock.advance(1_000)
    }
    const { windows } = (await metrics.snapshot()).cache ?? expect.fail()
    for (const [name, seconds] of [
      ['1m', 60],
      ['5m', 300],
      ['15m', 900],
    ] as const) {
      const inside = perSecond.slice(-seconds)
      const sum = (field: 'hits' | 'nearHits' | 'misses'): number =>
        inside.reduce((total, done) => total + done[field], 0)
      const reads = sum('hits') + sum('misses')
      expect(windows[name]).toMatchObject({
        seconds,
        reads,
        hits: sum('hits'),
        misses: sum('misses'),
        hitRate: sum('hits') / reads,
        near: { reads, hits: sum('nearHits'), hitRate: sum('nearHits') / reads },
        remote: { reads: reads - sum('nearHits'), hits: sum('hits') - sum('nearHits') },
        throughput: reads / seconds,
      })
    }
  })

  it('say how long they are while there is less to tell', async () => {
    const clock = fakeClock()
    const cache = fakeCache()
    using metrics = createMetrics({ cache, clock })
    cache.live.hits = 3
    await clock.advance(12_500)
    cache.live.misses = 1
    const { windows } = (await metrics.snapshot()).cache ?? expect.fail()
    expect(windows['1m']).toMatchObject({ seconds: 12.5, hitRate: 0.75, throughput: 4 / 12.5 })
  })

  it('have no rate without reads', async () => {
    using metrics = createMetrics({ cache: fakeCache(), clock: fakeClock() })
    const { windows } = (await metrics.snapshot()).cache ?? expect.fail()
    expect(windows['1m']).toMatchObject({ hitRate: undefined, errorRate: undefined, throughput: 0 })
  })

  it('relate errors to all that was asked', async () => {
    const clock = fakeClock()
    const cache = fakeCache()
    using metrics = createMetrics({ cache, clock })
    const { source } = cache
    cache.live.misses = 6
    cache.live.errors = 2
    for (const stored of [true, false, true]) {
      publish('corral:core:set', { source, key: 'k', stored, size: 10, duration: 1 })
    }
    publish('corral:core:delete', { source, key: 'k', duration: 1 })
    publish('corral:core:error', { source, code: 'REDIS_UNAVAILABLE', reason: 'deadline' })
    publish('corral:core:error', { source, code: 'REDIS_UNAVAILABLE', reason: 'breaker-open' })
    await clock.advance(1_000)
    const { windows, totals } = (await metrics.snapshot()).cache ?? expect.fail()
    expect(windows['1m']).toMatchObject({ operations: 10, errors: 2, errorRate: 0.2 })
    expect(totals).toMatchObject({
      storeCalls: 3,
      deleteCalls: 1,
      bytesWritten: 20,
      deadlineHits: 1,
    })
  })
})

describe('two caches in one process', () => {
  it('keep their figures apart, also with one namespace', async () => {
    const clock = fakeClock()
    const caches = [fakeCache(), fakeCache(), fakeCache('other:v1')] as const
    using first = createMetrics({ cache: caches[0], clock, groups: () => 'all' })
    using second = createMetrics({ cache: caches[1], clock, groups: () => 'all' })
    using third = createMetrics({ cache: caches[2], clock, groups: () => 'all' })
    caches.forEach((cache, index) => {
      const times = [3, 5, 7][index] ?? 0
      const of = { source: cache.source, namespace: cache.source.name, key: 'k' }
      for (let n = 0; n < times; n++) {
        cache.live.hits++
        publish('corral:core:hit', { ...of, tier: 'remote', stale: false, size: 1, duration: 1 })
        publish('corral:core:hits', { ...of, tier: 'remote', count: 1, size: 1, duration: 1 })
        publish('corral:core:load', { ...of, outcome: 'failed', behind: false, duration: 4 })
      }
    })
    const snapshots = await Promise.all([first, second, third].map((each) => each.snapshot()))
    expect(
      snapshots.map(({ cache, latency }) => [
        cache?.totals.hits,
        cache?.totals.bytesRead,
        cache?.totals.loadFailures,
        cache?.groups['all']?.hits,
        latency.totals.hit?.count,
        latency.totals.load?.count,
      ]),
    ).toEqual([3, 5, 7].map((n) => [n, n, n, n, n, n]))
  })
})

describe('hits of one tick', () => {
  it('are timed as many, and counted once where their keys are needed as well', async () => {
    const cache = fakeCache()
    using plain = createMetrics({ cache, clock: fakeClock() })
    using grouped = createMetrics({ cache, clock: fakeClock(), groups: () => 'all' })
    const of = { source: cache.source, namespace: 'shop:v1', tier: 'remote' }
    for (const key of ['a', 'b', 'c']) {
      publish('corral:core:hit', { ...of, key, stale: false, size: 10, duration: 2 })
    }
    publish('corral:core:hits', { ...of, count: 3, size: 30, duration: 2 })
    for (const metrics of [plain, grouped]) {
      const { cache: figures, latency } = await metrics.snapshot()
      expect(latency.totals.hit).toEqual({ count: 3, sum: 6 })
      expect(figures?.totals.bytesRead).toBe(30)
    }
    expect((await grouped.snapshot()).cache?.groups['all']?.hits).toBe(3)
  })
})

describe('near hits', () => {
  it('are counted by the cache, and timed by the samples it tells', async () => {
    const cache = fakeCache()
    using metrics = createMetrics({ cache, clock: fakeClock(), groups: () => 'all' })
    const of = { source: cache.source, namespace: 'shop:v1', key: 'k' }
    cache.live.hits = 128
    cache.live.nearHits = 128
    publish('corral:core:near-sample', { ...of, duration: 0.002, every: 64 })
    publish('corral:core:near-sample', { ...of, duration: 0.002, every: 64 })
    const { cache: figures, latency } = await metrics.snapshot()
    expect(latency.totals['near-hit']?.count).toBe(2)
    expect(latency.totals.hit).toBeUndefined()
    expect(figures?.groups['all']).toMatchObject({ nearHits: 128, hits: 0 })
    expect(figures?.windows['1m'].near).toEqual({ reads: 128, hits: 128, hitRate: 1 })
  })
})

describe('breakers', () => {
  it('are told as the connection knows them, with every transition', async () => {
    const clock = fakeClock()
    const node = { node: 'a:1', client: 'ready', pending: 2, queued: 1 } as const
    const connection = {
      ...ofConnection,
      health: async (): Promise<ConnectionHealth> => ({
        ...health,
        nodes: [
          { ...node, read: 'half-open', write: 'open' },
          { ...node, node: 'b:2', read: 'closed', write: 'closed' },
        ],
      }),
    }
    using metrics = createMetrics({ connection, clock })
    const steps = ['closed', 'open', 'half-open', 'open', 'half-open', 'closed']
    for (let round = 0; round < 50; round++) {
      for (let at = 1; at < steps.length; at++) {
        const change = { from: steps[at - 1], to: steps[at], reason: `round ${round}` }
        const breaker = { ...ofConnection, node: 'a:1', side: 'read', ...change }
        publish('corral:connection:breaker', breaker)
      }
    }
    const { connection: figures } = await metrics.snapshot()
    expect(figures?.breaker.state).toBe('open')
    expect(figures?.breaker.transitions).toEqual([
      { node: 'a:1', side: 'read', to: 'open', count: 100 },
      { node: 'a:1', side: 'read', to: 'half-open', count: 100 },
      { node: 'a:1', side: 'read', to: 'closed', count: 50 },
    ])
    expect(figures?.breaker.recent).toHaveLength(100)
    expect(figures?.breaker.recent[0]).toMatchObject({ to: 'open', reason: 'round 30' })
    expect(figures?.reconnectAttempts).toBe(3)
  })

  it('stay as they were last known when the connection cannot be asked', async () => {
    let isClosed = false
    const nodes = [
      { node: 'a:1', client: 'ready', read: 'open', write: 'closed', pending: 0, queued: 0 },
    ] as const
    const connection = {
      ...ofConnection,
      health: async (): Promise<ConnectionHealth> => {
        if (isClosed) throw new Error('closed')
        return { ...health, nodes }
      },
    }
    using metrics = createMetrics({ connection, clock: fakeClock() })
    await metrics.snapshot()
    isClosed = true
    expect((await metrics.snapshot()).connection?.breaker.state).toBe('open')
  })
})

type HeldLock = Awaited<ReturnType<MeasuredLocks['list']>>[number]
const one: HeldLock = { holders: ['token'] }

describe('active locks', () => {
  it('are asked for at most so often, and are unknown when Redis does not answer', async () => {
    const clock = fakeClock()
    let asked = 0
    let held: HeldLock[] | undefined = [one, one]
    const locks = {
      ...ofLocks,
      stats: () => ({ held: 1, waiting: 4, unreleased: 0 }),
      async list(): Promise<HeldLock[]> {
        asked++
        if (held === undefined) throw new Error('away')
        return held
      },
    }
    using metrics = createMetrics({ locks, clock, askLocksEvery: '15s' })
    const active = async (): Promise<number | undefined> =>
      (await metrics.snapshot()).locks?.active?.count
    expect([await active(), await active(), asked]).toEqual([2, 2, 1])
    held = [one]
    await clock.advance(14_999)
    expect([await active(), asked]).toEqual([2, 1])
    await clock.advance(1)
    expect([await active(), asked]).toEqual([1, 2])
    held = undefined
    await clock.advance(15_000)
    expect(await active()).toBeUndefined()
    expect((await metrics.snapshot()).locks).toMatchObject({ held: 1, waiting: 4 })
  })

  it('do not keep a scrape waiting for over a second', async () => {
    const clock = fakeClock()
    let answer: (locks: HeldLock[]) => void = () => {}
    const locks = {
      ...ofLocks,
      stats: () => ({ held: 0, waiting: 0, unreleased: 0 }),
      list: () => new Promise<HeldLock[]>((resolve) => (answer = resolve)),
    }
    using metrics = createMetrics({ locks, clock })
    const snapshot = metrics.snapshot()
    await clock.advance(1_000)
    expect((await snapshot).locks?.active).toBeUndefined()
    answer([one, { holders: ['reader', 'reader'] }])
    await clock.advance(0)
    expect((await metrics.snapshot()).locks?.active?.count).toBe(3)
  })
})

describe('logEvery', () => {
  it('writes a line at intervals with the figures of the last minute, to a function or a logger', async () => {
    const clock = fakeClock()
    const cache = fakeCache()
    using metrics = createMetrics({ cache, clock })
    const lines: string[] = []
    const fields: object[] = []
    metrics.logEvery('1m', (line) => lines.push(line))
    const stop = metrics.logEvery('30s', { info: (figures) => fields.push(figures) })
    cache.live.hits = 57
    cache.live.misses = 3
    await clock.advance(60_000)
    expect(lines).toEqual([
      'cache shop:v1: hitRate=0.95 nearHitRate=0 reads=60 throughput=1 errors=0',
    ])
    expect(fields).toHaveLength(2)
    expect(fields[1]).toMatchObject({ cache: 'shop:v1', hitRate: 0.95, reads: 60 })
    stop()
    await clock.advance(120_000)
    expect([lines.length, fields.length]).toEqual([3, 2])
  })

  it('goes on after a logger that throws', async () => {
    const clock = fakeClock()
    using metrics = createMetrics({ cache: fakeCache(), clock })
    let calls = 0
    metrics.logEvery('1s', () => {
      calls++
      throw new Error('disk full')
    })
    await clock.advance(3_000)
    expect(calls).toBe(3)
  })

  it('refuses an interval under a second', () => {
    using metrics = createMetrics({ cache: fakeCache(), clock: fakeClock() })
    expect(() => metrics.logEvery('10ms', () => {})).toThrow(/^interval: must be at least 1 second/)
  })

  it.each([undefined, null, {}, { log() {} }])('refuses the logger %j', (logger: unknown) => {
    using metrics = createMetrics({ cache: fakeCache(), clock: fakeClock() })
    expect(() => metrics.logEvery('1m', logger as () => void)).toThrow(
      /^logger: must be a function or have info\(fields, line\), received /,
    )
  })
})

describe('close', () => {
  it('leaves no listener and no timer', async () => {
    const clock = fakeClock()
    const connection = { ...ofConnection, health: async () => health }
    const locks = {
      ...ofLocks,
      stats: () => ({ held: 0, waiting: 0, unreleased: 0 }),
      list: async () => [],
    }
    const heard = (): string[] => channels.filter((name) => channel(name).hasSubscribers)
    expect(heard()).toEqual([])
    const metrics = createMetrics({ cache: fakeCache(), connection, locks, clock })
    expect(heard()).toEqual(channels.filter((name) => name !== 'corral:core:hit'))
    metrics.logEvery('1m', () => {})
    metrics.close()
    metrics.close()
    expect(heard()).toEqual([])
    expect(clock.pendingTimers()).toBe(0)
    metrics.logEvery('1m', () => {})
    expect(clock.pendingTimers()).toBe(0)
    await clock.advance(10_000)
    expect(clock.pendingTimers()).toBe(0)
  })
})

describe('options', () => {
  it.each([
    [undefined, /^options: must be an object, received undefined/],
    [{}, /^options: need at least one of cache, connection and locks/],
    [{ cache: {} }, /^cache: must have source and counts\(\).*received an object/],
    [{ connection: { health: async () => health } }, /^connection: must have source and health/],
    [{ locks: { ...ofLocks } }, /^locks: must have source and stats\(\) and list\(\)/],
    [{ cache: fakeCache(), groups: [null] }, /^groups: must be a function or an array/],
    [{ cache: fakeCache(), nmae: 'x' }, /^nmae: is no option of createMetrics/],
    [{ cache: fakeCache(), name: '' }, /^name: must be 1 to 100 characters, received ""/],
    [{ cache: fakeCache(), maxGroups: 0 }, /^maxGroups: must be a whole number from 1 to 1000/],
    [{ cache: fakeCache(), groups: 'user:' }, /^groups: must be a function or an array/],
    [{ cache: fakeCache(), askLocksEvery: '10ms' }, /^askLocksEvery: must be at least 1 second/],
    [{ cache: fakeCache(), askLocksEvery: '10' }, /^askLocksEvery: .*needs a unit/],
  ])('%j are refused', (options, message) => {
    expect(() => createMetrics(options as never)).toThrow(message)
  })
})
