import { channel } from 'node:diagnostics_channel'
import type { SourceId } from '@corral/connection'
import { fakeClock, memoryAfterGc } from '@corral/testing'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { type CacheCounts, cacheCountNames } from './measured.ts'
import { createMetrics } from './metrics.ts'
import { exposeMetrics } from './prometheus/index.ts'

const distinct = 1_000_000

const cache: SourceId = { kind: 'cache', name: 'shop:v1' }
const connection: SourceId = { kind: 'connection', name: 'redis' }
const locks: SourceId = { kind: 'locks', name: 'shop' }
const counts = Object.fromEntries(
  cacheCountNames.map((name) => [name, 1]),
) as unknown as CacheCounts

async function seriesOf(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith('cache_'))
}

describe('1,000,000 distinct keys and groups, 10,000 nodes and codes', () => {
  it('leave a bounded number of series and no memory', { timeout: 60_000 }, async () => {
    using metrics = createMetrics({
      cache: { source: cache, counts: () => counts },
      connection: {
        source: connection,
        health: async () => ({
          status: 'ok',
          healthy: true,
          latency: 1,
          reconnectAttempts: 0,
          signals: { state: 'off', tracking: false },
          nodes: [],
        }),
      },
      locks: {
        source: locks,
        stats: () => ({ held: 0, waiting: 0, unreleased: 0 }),
        list: async () => [],
      },
      // The worst that a caller can do: a group for each key.
      groups: (key) => key,
      maxGroups: 20,
      clock: fakeClock(),
    })
    const registry = new Registry()
    exposeMetrics(registry, metrics)

    function publish(n: number): void {
      const of = { source: cache, duration: 1, key: `key:${n}` }
      channel('corral:core:hit').publish({ ...of, tier: 'remote', stale: false })
      channel('corral:core:miss').publish({ ...of, reason: 'absent' })
      if (n >= 1_000 && n % 100 > 0) return
      channel('corral:core:error').publish({ ...of, code: `CODE_${n}`, reason: 'x' })
      channel('corral:locks:refused').publish({
        source: locks,
        waited: 1,
        code: `CODE_${n}`,
      })
      channel('corral:locks:acquired').publish({
        source: locks,
        name: `key:${n}`,
        waited: 1,
      })
      const change = { side: 'read', from: 'closed', to: 'open', reason: `reason ${n}` }
      channel('corral:connection:breaker').publish({
        source: connection,
        node: `10.0.0.${n}:6379`,
        ...change,
      })
    }
    for (let n = 0; n < 1_000; n++) publish(n)
    const [series, memory] = [await seriesOf(registry), await memoryAfterGc()]
    for (let n = 1_000; n < distinct; n++) publish(n)
    const after = await seriesOf(registry)

    expect(after.length).toBe(series.length)
    expect(after.length).toBeLessThan(600)
    expect((await memoryAfterGc()) - memory).toBeLessThan(2_000_000)
    const { cache: figures } = await metrics.snapshot()
    expect(Object.values(figures?.groups ?? {}).reduce((sum, { hits }) => sum + hits, 0)).toBe(
      distinct,
    )
  })
})
