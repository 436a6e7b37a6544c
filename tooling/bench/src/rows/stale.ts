import { createCache, type Cache } from '@corral/core'
import { LRUCache } from 'lru-cache'
import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import type { Row } from '../harness/row.ts'

/** Stale again a millisecond after each load, and a load takes 50. */
const LOAD_MS = 50
const OPTIONS = { ttl: '1ms', staleWhileRevalidate: '1h' } as const

/** What a caller of `getOrSet` waits for who is served a stale value, while another one is loaded. */
export const staleRow: Row = {
  name: 'stale',
  async *measure(bed, effort) {
    const { raw, corral } = await bed.standalone()
    const lru = new LRUCache<string, string>({ max: 10 })
    lru.set('stale', 'value')
    await raw.set('bench:plain', '"value"')

    const near = createCache({
      connection: corral,
      namespace: 'bench:stale-near',
      near: { maxEntries: 10, ttl: '10m' },
    })
    await corral.signals.whenOn(10_000)
    const remote = createCache({ connection: corral, namespace: 'bench:stale' })
    yield await compare(
      {
        name: `stale value, near, loader ${LOAD_MS} ms`,
        floor: { kind: 'micros', value: 10 },
        raw: callersOf(
          'lru-cache',
          1,
          inTurns(async () => lru.get('stale')),
        ),
        corral: callersOf('corral', 1, inTurns(staleCalls(near))),
      },
      effort,
    )
    yield await compare(
      {
        name: `stale value, remote, loader ${LOAD_MS} ms`,
        floor: { kind: 'micros', value: 60 },
        raw: callersOf('one GET', 1, async () => JSON.parse((await raw.get('bench:plain')) ?? '')),
        corral: callersOf('corral', 1, staleCalls(remote)),
      },
      effort,
    )
    await near.close()
    await remote.close()
  },
}

/** Never waits for the loader, which runs once at a time. */
function staleCalls(cache: Cache): () => Promise<unknown> {
  let loading = 0
  async function load(): Promise<string> {
    loading++
    if (loading > 1) throw new Error('stale: two loads at once')
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
    loading--
    return 'value'
  }
  return () => cache.getOrSet('stale', load, OPTIONS)
}

/** Timers and replies must get their turn among near hits. */
function inTurns(call: () => Promise<unknown>): (turn: number) => Promise<unknown> {
  return async (turn) => {
    if (turn % 64 === 0) await new Promise(setImmediate)
    return call()
  }
}
