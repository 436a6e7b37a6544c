import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { KEYS, records } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'
import { corked } from '../contenders/corked.ts'
import { openCachePeers } from '../peers/index.ts'

const SIZES = [
  { callers: 1, floor: undefined },
  { callers: 64, floor: 1.8 },
  { callers: 512, floor: 3 },
] as const
const TTL_MS = 3_600_000

/** A set with a time to live, value encoded by the caller. */
export const setRow: Row = {
  name: 'set',
  async *measure(bed, effort) {
    const { raw, corral, cache, client, url } = await bed.standalone()
    const values = records(200)
    const keyOf = (turn: number): string => `bench:set:${turn % KEYS}`
    const textOf = (turn: number): string => JSON.stringify(values[turn % KEYS])
    const peers = bed.withPeers ? await openCachePeers(url, client) : []
    const limit = client()
    const cork = corked(limit)
    for (const { callers, floor } of SIZES) {
      yield await compare(
        {
          name: `set, ${callers} caller${callers === 1 ? '' : 's'}`,
          floor: floor === undefined ? undefined : { kind: 'ratio', value: floor, lead: 1.1 },
          raw: callersOf('ioredis', callers, (turn) =>
            raw.set(keyOf(turn), textOf(turn), 'PX', TTL_MS),
          ),
          corral: callersOf('corral', callers, async (turn) =>
            stored(await cache.set(keyOf(turn), values[turn % KEYS], TTL_MS / 1000)),
          ),
          connection: callersOf('connection', callers, (turn) =>
            corral.set(keyOf(turn), textOf(turn), { ttlMs: TTL_MS }),
          ),
          peers: peers.flatMap(({ name, set }) =>
            set === undefined
              ? []
              : [callersOf(name, callers, (turn) => set(keyOf(turn), values[turn % KEYS]))],
          ),
          limits: [
            callersOf('cork', callers, (turn) => {
              cork()
              return limit.set(keyOf(turn), textOf(turn), 'PX', TTL_MS)
            }),
          ],
        },
        effort,
      )
    }
    for (const peer of peers) await peer.close()
  },
}

function stored(done: boolean): void {
  if (!done) throw new Error('set: Corral did not store')
}
