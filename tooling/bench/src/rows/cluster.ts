import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { KEYS, payloadOf } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'

/** A hit in a cluster of three masters, where each GET goes singly to its node. */
export const clusterRow: Row = {
  name: 'cluster',
  async *measure(bed, effort) {
    const { raw, corral } = await bed.cluster()
    const keys = Array.from({ length: KEYS }, (_, id) => `bench:cluster:${id}`)
    await Promise.all(keys.map((key, id) => raw.set(key, payloadOf(200, id))))
    for (const callers of [64, 512]) {
      yield await compare(
        {
          name: `cluster get, ${callers} callers`,
          floor: undefined,
          raw: callersOf('ioredis', callers, async (turn) =>
            decode(await raw.get(keys[turn % KEYS]!)),
          ),
          corral: callersOf('corral', callers, async (turn) =>
            decode(await corral.get(keys[turn % KEYS]!)),
          ),
        },
        effort,
      )
    }
  },
}

function decode(text: string | null): unknown {
  if (text === null) throw new Error('cluster: a key of the benchmark is missing')
  return JSON.parse(text) as unknown
}
