import { createCache } from '@corral/core'
import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import type { Row } from '../harness/row.ts'

const KEYS = 300_000
const TAGGED = 100_000
const CHUNK = 5_000

/** Ending 100,000 of 300,000 entries at once by their tag; a read of one stays one command. */
export const invalidateRow: Row = {
  name: 'invalidate',
  async *measure(bed, effort) {
    const { raw, corral } = await bed.standalone()
    const cache = createCache({ connection: corral, namespace: 'bench:tags', ttl: '1h' })
    for (let from = 0; from < KEYS; from += CHUNK) {
      const entries = Array.from({ length: CHUNK }, (_, i) => ({ key: `k:${from + i}`, value: i }))
      await cache.setMany(entries, from < TAGGED ? { tags: ['third'] } : {})
    }
    yield await compare(
      {
        name: `invalidate ${TAGGED} of ${KEYS} by tag`,
        floor: { kind: 'micros', value: 500 },
        raw: callersOf('one SET', 1, () => raw.set('bench:one', '1')),
        corral: callersOf('corral', 1, () => cache.invalidateTags(['third'])),
      },
      effort,
    )
    if ((await cache.get(`k:${TAGGED - 1}`)) !== undefined)
      throw new Error('invalidate: still there')
    if ((await cache.get(`k:${TAGGED}`)) === undefined) throw new Error('invalidate: too much went')
    await cache.close()
  },
}
