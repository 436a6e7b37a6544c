import type { SourceId } from '@corral/connection'
import { fakeClock, recordTrace } from '@corral/testing'
import { describe, expect, it, vi } from 'vitest'
import { createCache } from '../cache.ts'
import { createCounters } from '../stats.ts'
import { createTally, type Tally } from './tally.ts'

const source: SourceId = { kind: 'cache', name: 'shop:v1' }
const of = { source, namespace: 'shop:v1' }

function make(): { tally: Tally; clock: ReturnType<typeof fakeClock>; nearHits(): number } {
  const clock = fakeClock()
  const counters = createCounters()
  return {
    clock,
    tally: createTally(source, counters, 'remote', clock),
    nearHits: () => counters.nearHits,
  }
}

/** Ends the tick, and `ms` pass. */
async function pass(clock: ReturnType<typeof fakeClock>, ms: number): Promise<void> {
  await new Promise((resolve) => process.nextTick(resolve))
  await clock.advance(ms)
}

describe('hits', () => {
  it('of one tick are told in one message when it ends, by those that were asked for together', async () => {
    using trace = recordTrace(['hits'], 'corral:core:')
    const { tally, clock } = make()
    const first = tally.start()
    await pass(clock, 3)
    const second = tally.start()
    await pass(clock, 2)
    for (const size of [10, 20, 30]) tally.hit('a', false, first, size)
    tally.hit('b', true, second, 5)
    tally.hit('b', false, second, 7)
    tally.miss('c', 'absent', second)
    expect(trace.of('hits')).toEqual([{ ...of, tier: 'remote', count: 3, size: 60, duration: 5 }])
    await pass(clock, 1)
    tally.hit('d', false, second, 1)
    await pass(clock, 1)
    expect(trace.of('hits').slice(1)).toEqual([
      { ...of, tier: 'remote', count: 2, size: 12, duration: 2 },
      { ...of, tier: 'remote', count: 1, size: 1, duration: 3 },
    ])
  })

  it('are told one by one to those who listen to each, with the same figures', async () => {
    using trace = recordTrace(['hit', 'hits'], 'corral:core:')
    const { tally, clock } = make()
    const started = tally.start()
    await pass(clock, 4)
    tally.hit('a', false, started, 10)
    tally.hit('b', true, started, 20)
    await pass(clock, 1)
    const each = { ...of, tier: 'remote', duration: 4 }
    expect(trace.of('hit')).toEqual([
      { ...each, key: 'a', stale: false, size: 10 },
      { ...each, key: 'b', stale: true, size: 20 },
    ])
    expect(trace.of('hits')).toEqual([{ ...each, count: 2, size: 30 }])
  })

  it('take one look at the clock a tick, and none while nobody listens', async () => {
    const { tally, clock } = make()
    const now = vi.spyOn(clock, 'now')
    const unheard = tally.start()
    tally.hit('a', false, unheard, 1)
    tally.miss('a', 'absent', unheard)
    for (let n = 0; n < 1_000; n++) tally.nearHit('a', false, tally.startNear())
    expect(now).not.toHaveBeenCalled()
    using trace = recordTrace(['hits', 'miss'], 'corral:core:')
    const started = [1, 2, 3].map(() => tally.start())
    for (const each of started) tally.hit('a', false, each, 1)
    expect(now).toHaveBeenCalledTimes(1)
    // It began before anybody listened, so nobody knows how long it took.
    tally.miss('a', 'absent', unheard)
    await pass(clock, 0)
    expect(trace.events).toHaveLength(1)
  })
})

describe('near hits', () => {
  it('are timed one in 64 at random, and each sample says how many it stands for', async () => {
    using trace = recordTrace(['near-sample'], 'corral:core:')
    const { tally, clock, nearHits } = make()
    const samples = (): { key: string; every: number }[] =>
      trace.of('near-sample') as { key: string; every: number }[]
    const byKey = new Map<string, number>()
    for (let n = 0; n < 640_000; n++) {
      // As many keys as make the round of a fixed stride: it would meet one of them only.
      tally.nearHit(`key:${n % 64}`, false, tally.startNear())
    }
    for (const { key } of samples()) byKey.set(key, (byKey.get(key) ?? 0) + 1)
    const stoodFor = samples().reduce((sum, { every }) => sum + every, 0)
    expect(nearHits() - stoodFor).toBeLessThan(128)
    expect(samples().length).toBeGreaterThan(640_000 / 64 / 1.1)
    expect(samples().length).toBeLessThan((640_000 / 64) * 1.1)
    expect(byKey.size).toBe(64)
    expect(Math.min(...byKey.values())).toBeGreaterThan(80)
    trace.clear()
    while (samples().length === 0) {
      const started = tally.startNear()
      await clock.advance(2)
      tally.nearHit('slow', true, started)
    }
    expect(samples()).toEqual([
      { ...of, key: 'slow', duration: 2, every: expect.any(Number) as number },
    ])
  })

  it('of a time when nobody listened are not stood for', () => {
    const { tally } = make()
    for (let n = 0; n < 10_000; n++) tally.nearHit('a', false, tally.startNear())
    using trace = recordTrace(['near-sample'], 'corral:core:')
    for (let n = 0; n < 1_000; n++) tally.nearHit('a', false, tally.startNear())
    const stoodFor = (trace.of('near-sample') as { every: number }[]).map(({ every }) => every)
    expect(stoodFor.reduce((sum, every) => sum + every, 0)).toBeLessThan(1_000 + 128)
  })

  it('are told one by one to those who listen to each', () => {
    using trace = recordTrace(['near-hit', 'hit'], 'corral:core:')
    const { tally } = make()
    tally.nearHit('a', true, tally.startNear())
    expect(trace.events).toEqual([
      { name: 'corral:core:near-hit', message: { ...of, key: 'a', stale: true } },
    ])
  })
})

it('what began before anybody listened is not told: nobody knows how long it took', async () => {
  const cache = createCache({ namespace: 'shop:v1' })
  const calls = [
    cache.get('a'),
    cache.set('a', 1),
    cache.setMany([{ key: 'b', value: 2 }]),
    cache.delete('c'),
    cache.deleteMany(['d']),
  ]
  using trace = recordTrace(['hit', 'hits', 'miss', 'set', 'delete'], 'corral:core:')
  await Promise.all(calls)
  expect(trace.events).toEqual([])
  await cache.set('a', 1)
  await cache.delete('a')
  expect(trace.events.map(({ name }) => name)).toEqual(['corral:core:set', 'corral:core:delete'])
  await cache.close()
})
