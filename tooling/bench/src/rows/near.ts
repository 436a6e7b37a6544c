import { createCache } from '@corral/core'
import { LRUCache } from 'lru-cache'
import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { KEYS, records } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'

/** Hits counted between two looks at the clock: a timer must get its turn. */
const BATCH = 2_000
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

    const awaited = (hit: (key: string) => unknown) =>
      batches(async (turn) => {
        for (let i = 0; i < BATCH; i++) await hit(keys[(turn + i) % KEYS]!)
      })
    const bare = (hit: (key: string) => unknown) =>
      batches((turn) => {
        for (let i = 0; i < BATCH; i++) hit(keys[(turn + i) % KEYS]!)
      })
    const reference = callersOf(
      'lru-cache awaited',
      1,
      awaited((key) => lru.get(key)),
      BATCH,
    )
    yield await compare(
      {
        name: 'near hit, awaited',
        floor: { kind: 'ratio', value: 0.87 },
        raw: reference,
        corral: callersOf(
          'corral',
          1,
          awaited((key) => cache.get(key)),
          BATCH,
        ),
      },
      effort,
    )
    yield await compare(
      {
        name: 'near hit, peek',
        floor: { kind: 'ratio', value: 2 },
        raw: reference,
        corral: callersOf(
          'corral',
          1,
          bare((key) => cache.peek(key)),
          BATCH,
        ),
        limits: [
          callersOf(
            'lru-cache',
            1,
            bare((key) => lru.get(key)),
            BATCH,
          ),
        ],
      },
      effort,
    )
    await cache.close()
  },
}

function batches(run: (turn: number) => Promise<void> | void): (turn: number) => Promise<void> {
  return async (turn) => {
    await run(turn)
    await new Promise(setImmediate)
  }
}
