import { createCache } from '@corral/core'
import { LRUCache } from 'lru-cache'
import { awaitedHits, bareHits } from '../harness/batches.ts'
import { compare } from '../harness/compare.ts'
import { KEYS, records } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'

const BYTES = 200

/** A hit in this process's own memory, beside a bare lru-cache. */
export const nearRow: Row = {
  name: 'near',
  async *measure(bed, effort) {
    const { corral } = await bed.standalone()
    const cache = createCache({
      connection: corral,
      namespace: 'bench:near',
      near: { maxEntries: 10_000, ttl: '10m' },
    })
    const lru = new LRUCache<string, {}>({ max: 10_000, ttl: 600_000 })
    const keys = Array.from({ length: KEYS }, (_, id) => `user:${id}`)
    const values = records(BYTES)
    await cache.setMany(keys.map((key, id) => ({ key, value: values[id] })))
    await corral.signals.whenOn(10_000)
    for (const [id, key] of keys.entries()) {
      lru.set(key, values[id] as {})
      await cache.get(key)
    }
    if (cache.peek(keys[0]!) === undefined) throw new Error('near: nothing is held')

    const reference = awaitedHits('lru-cache awaited', keys, (key) => lru.get(key))
    yield await compare(
      {
        name: 'near hit, awaited',
        floor: { kind: 'ratio', value: 0.87 },
        raw: reference,
        corral: awaitedHits('corral', keys, (key) => cache.get(key)),
      },
      effort,
    )
    yield await compare(
      {
        name: 'near hit, peek',
        floor: { kind: 'ratio', value: 2 },
        raw: reference,
        corral: bareHits('corral', keys, (key) => cache.peek(key)),
        limits: [bareHits('lru-cache', keys, (key) => lru.get(key))],
      },
      effort,
    )
    await cache.close()
  },
}
