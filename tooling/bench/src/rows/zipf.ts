import { createCache } from '@corral/core'
import { LRUCache } from 'lru-cache'
import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { payloadOf } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'

const CALLERS = 64
const POPULATION = 10_000
const HELD = 1_000
/** One call in so many is a write. */
const WRITE_EVERY = 50

/** Reads by popularity with a few writes, near cache over Redis; Corral's follows every change. */
export const zipfRow: Row = {
  name: 'zipf',
  async *measure(bed, effort) {
    const { raw, corral } = await bed.standalone()
    const cache = createCache({
      connection: corral,
      namespace: 'bench:zipf',
      ttl: '1h',
      near: { maxEntries: HELD, ttl: '10m' },
    })
    const keys = Array.from({ length: POPULATION }, (_, id) => `zipf:${id}`)
    const texts = keys.map((_, id) => payloadOf(200, id))
    const values = texts.map((text): unknown => JSON.parse(text))
    await raw.mset(keys.flatMap((key, id) => [key, texts[id]!]))
    await cache.setMany(keys.map((key, id) => ({ key, value: values[id] })))
    await corral.signals.whenOn(10_000)

    const order = zipfOrder()
    const lru = new LRUCache<string, {}>({ max: HELD, ttl: 600_000 })
    async function byHand(turn: number): Promise<unknown> {
      const id = order[turn % order.length]!
      const key = keys[id]!
      if (turn % WRITE_EVERY === 0) {
        lru.set(key, values[id] as {})
        return raw.set(key, JSON.stringify(values[id]), 'PX', 3_600_000)
      }
      const held = lru.get(key)
      if (held !== undefined) return held
      const value = JSON.parse((await raw.get(key)) ?? 'null') as {}
      lru.set(key, value)
      return value
    }
    function corralCall(turn: number): Promise<unknown> {
      const id = order[turn % order.length]!
      return turn % WRITE_EVERY === 0 ? cache.set(keys[id]!, values[id]) : cache.get(keys[id]!)
    }
    yield await compare(
      {
        name: `zipf, near + remote, ${CALLERS} callers, coherent`,
        floor: { kind: 'ratio', value: 0.95 },
        raw: callersOf('lru + ioredis, not coherent', CALLERS, byHand),
        corral: callersOf('corral', CALLERS, corralCall),
      },
      effort,
    )
    await cache.close()
  },
}

/** Which record each call asks for: the k-th most popular one with a weight of 1/k. Fixed seed. */
function zipfOrder(): Uint16Array {
  const sums = new Float64Array(POPULATION)
  let sum = 0
  for (let rank = 0; rank < POPULATION; rank++) sums[rank] = sum += 1 / (rank + 1)
  const order = new Uint16Array(100_003)
  let state = 42
  for (let i = 0; i < order.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const wanted = (state / 2 ** 32) * sum
    let low = 0
    let high = POPULATION - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! < wanted) low = middle + 1
      else high = middle
    }
    order[i] = low
  }
  return order
}
