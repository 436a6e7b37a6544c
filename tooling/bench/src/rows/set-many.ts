import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { records } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'
import { setManyScript } from '../contenders/set-many-script.ts'
import { openCachePeers } from '../peers/index.ts'

const COUNT = 1000
const TTL_MS = 3_600_000

/** One caller stores 1,000 values with a time to live, encoding included; against a pipeline. */
export const setManyRow: Row = {
  name: 'setMany',
  async *measure(bed, effort) {
    const { raw, corral, cache, client, url } = await bed.standalone()
    const keys = Array.from({ length: COUNT }, (_, id) => `bench:set-many:${id}`)
    const values = records(200, COUNT)
    const peers = bed.withPeers ? await openCachePeers(url, client) : []
    yield await compare(
      {
        name: `setMany, ${COUNT} keys`,
        floor: { kind: 'ratio', value: 2, lead: 1.1 },
        raw: callersOf(
          'ioredis',
          1,
          () => {
            const pipeline = raw.pipeline()
            for (let i = 0; i < COUNT; i++) {
              pipeline.set(keys[i]!, JSON.stringify(values[i]), 'PX', TTL_MS)
            }
            return pipeline.exec()
          },
          COUNT,
        ),
        corral: callersOf(
          'corral',
          1,
          async () => {
            const done = await cache.setMany(
              keys.map((key, i) => ({ key, value: values[i] })),
              TTL_MS / 1000,
            )
            if (done.includes(false)) throw new Error('setMany: Corral did not store all')
          },
          COUNT,
        ),
        connection: callersOf(
          'connection',
          1,
          () => {
            const args: (string | number)[] = []
            for (const value of values) args.push(JSON.stringify(value), TTL_MS)
            return corral.scriptMany(setManyScript, keys, args)
          },
          COUNT,
        ),
        peers: peers.flatMap(({ name, setMany }) =>
          setMany === undefined ? [] : [callersOf(name, 1, () => setMany(keys, values), COUNT)],
        ),
      },
      effort,
    )
    for (const peer of peers) await peer.close()
  },
}
