import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { KEYS, payloadOf, records } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'
import { mgetByHand } from '../contenders/mget-by-hand.ts'
import { openCachePeers } from '../peers/index.ts'

const SIZES = [
  { callers: 1, bytes: 200, floor: 0.95, lead: 0.95 },
  { callers: 64, bytes: 200, floor: 3, lead: 1.1 },
  { callers: 512, bytes: 200, floor: 4.5, lead: 1.1 },
  { callers: 64, bytes: 4096, floor: 1.2, lead: 1.1 },
  { callers: 512, bytes: 4096, floor: 1.15, lead: 1.1 },
] as const

/** A hit in Redis, decoded. */
export const getRow: Row = {
  name: 'get',
  async *measure(bed, effort) {
    const { raw, corral, cache, client, url } = await bed.standalone()
    const byHand = mgetByHand(client())
    for (const bytes of [200, 4096]) {
      const keys = Array.from({ length: KEYS }, (_, id) => `bench:get:${bytes}:${id}`)
      await raw.mset(keys.flatMap((key, id) => [key, payloadOf(bytes, id)]))
      const keyOf = (turn: number): string => keys[turn % KEYS]!
      await cache.setMany(records(bytes).map((value, id) => ({ key: keys[id]!, value })))
      const peers = bed.withPeers ? await openCachePeers(url, client) : []
      for (const peer of peers) await peer.seed(keys, records(bytes))
      for (const { callers, floor, lead } of SIZES.filter((size) => size.bytes === bytes)) {
        yield await compare(
          {
            name: `get, ${callers} caller${callers === 1 ? '' : 's'}, ${bytes} B`,
            floor: { kind: 'ratio', value: floor, lead },
            raw: callersOf('ioredis', callers, async (turn) => decode(await raw.get(keyOf(turn)))),
            corral: callersOf('corral', callers, async (turn) =>
              found(await cache.get(keyOf(turn))),
            ),
            connection: callersOf('connection', callers, async (turn) =>
              decode(await corral.get(keyOf(turn))),
            ),
            peers: peers.map((peer) =>
              callersOf(peer.name, callers, (turn) => peer.get(keyOf(turn))),
            ),
            limits: [callersOf('mget', callers, async (turn) => decode(await byHand(keyOf(turn))))],
          },
          effort,
        )
      }
      for (const peer of peers) await peer.close()
    }
  },
}

function found(value: unknown): unknown {
  if (value === undefined) throw new Error('get: an entry of the benchmark is missing')
  return value
}

/** A miss in this row is a fault of the row. */
function decode(text: string | null): unknown {
  if (text === null) throw new Error('get: a key of the benchmark is missing')
  return JSON.parse(text) as unknown
}
