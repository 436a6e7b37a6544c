import { createCache } from '@corral/core'
import { createMetrics, type MetricsOptions } from '@corral/metrics'
import type { Contender } from '../harness/alternate.ts'
import { awaitedHits, bareHits } from '../harness/batches.ts'
import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { KEYS, records } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'

const CALLERS = 64
/** A channel changes its shape with its first listener, and what was compiled for the other goes. */
const WARM_MS = 100

/** What listening costs: a cache that is measured, beside the same one that is not. */
export const metricsRow: Row = {
  name: 'metrics',
  async *measure(bed, effort) {
    const { corral, cache: remote } = await bed.standalone()
    const near = createCache({
      connection: corral,
      namespace: 'bench:metrics',
      near: { maxEntries: 10_000, ttl: '10m' },
    })
    const keys = Array.from({ length: KEYS }, (_, id) => `user:${id}`)
    const entries = records(200).map((value, id) => ({ key: keys[id]!, value }))
    await near.setMany(entries)
    await remote.setMany(entries)
    await corral.signals.whenOn(10_000)
    for (const key of keys) await near.get(key)
    if (near.peek(keys[0]!) === undefined) throw new Error('metrics: nothing is held')

    const lines = [
      {
        name: 'near hit, awaited',
        floor: 0.85,
        cache: near,
        work: (name: string) => awaitedHits(name, keys, (key) => near.get(key)),
      },
      {
        name: 'near hit, peek',
        floor: 0.85,
        cache: near,
        work: (name: string) => bareHits(name, keys, (key) => near.peek(key)),
      },
      {
        name: `get, ${CALLERS} callers`,
        floor: 0.97,
        cache: remote,
        work: (name: string) => callersOf(name, CALLERS, (turn) => remote.get(keys[turn % KEYS]!)),
      },
    ]
    for (const { name, floor, cache, work } of lines) {
      const raw = warmed(work('off'))
      yield await compare(
        {
          name: `metrics on, ${name}`,
          floor: { kind: 'ratio', value: floor },
          raw,
          corral: measured(work('on'), { cache }),
        },
        effort,
      )
      const groups = (key: string): string | undefined => key.split(':')[0]
      yield await compare(
        {
          name: `metrics by group, ${name}`,
          floor: undefined,
          raw,
          corral: measured(work('by group'), { cache, groups }),
        },
        effort,
      )
    }
    await near.close()
  },
}

function warmed(contender: Contender): Contender {
  return { ...contender, begin: async () => void (await contender.run(WARM_MS)) }
}

/** The same work while the cache is measured. */
function measured(contender: Contender, options: MetricsOptions): Contender {
  let metrics: ReturnType<typeof createMetrics> | undefined
  return {
    ...contender,
    async begin() {
      metrics = createMetrics(options)
      await contender.run(WARM_MS)
    },
    end: () => metrics?.close(),
  }
}
