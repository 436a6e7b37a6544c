import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { KEYS, payloadOf, records } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'
import { openCachePeers } from '../peers/index.ts'

/** One caller reads many keys at once, all decoded; against one MGET. */
export const getManyRow: Row = {
  name: 'getMany',
  async *measure(bed, effort) {
    const { raw, corral, cache, client, url } = await bed.standalone()
    const all = Array.from({ length: KEYS }, (_, id) => `bench:many:${id}`)
    await raw.mset(all.flatMap((key, id) => [key, payloadOf(200, id)]))
    await cache.setMany(records(200).map((value, id) => ({ key: all[id]!, value })))
    const peers = bed.withPeers ? await openCachePeers(url, client) : []
    for (const peer of peers) await peer.seed(all, records(200))
    for (const count of [100, 1000]) {
      const keys = all.slice(0, count)
      yield await compare(
        {
          name: `getMany, ${count} keys`,
          floor: { kind: 'ratio', value: 0.95, lead: 0.95 },
          raw: callersOf('ioredis', 1, async () => decodeAll(await raw.mget(keys)), count),
          corral: callersOf('corral', 1, async () => allFound(await cache.getMany(keys)), count),
          connection: callersOf(
            'connection',
            1,
            async () => decodeAll(await corral.getMany(keys)),
            count,
          ),
          peers: peers.flatMap(({ name, getMany }) =>
            getMany === undefined ? [] : [callersOf(name, 1, () => getMany(keys), count)],
          ),
        },
        effort,
      )
    }
    for (const peer of peers) await peer.close()
  },
}

function decodeAll(texts: readonly (string | null)[]): unknown[] {
  return texts.map((text): unknown => {
    if (text === null) throw new Error('getMany: a key of the benchmark is missing')
    return JSON.parse(text)
  })
}

function allFound(values: readonly unknown[]): void {
  if (values.includes(undefined)) throw new Error('getMany: an entry of the benchmark is missing')
}
