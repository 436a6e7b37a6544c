import { createLocks } from '@corral/locks'
import { setNxLock } from '../contenders/set-nx-lock.ts'
import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import type { Row } from '../harness/row.ts'
import { openRedlock, openSesamecare, type Redlock } from '../peers/lock-peers.ts'

const SIZES = [
  { callers: 1, floor: 0.95 },
  { callers: 64, floor: 1.3 },
] as const
const TTL_MS = 30_000
const NAMES = 1000

/** Taking and giving back a lock that nobody else wants. */
export const locksFreeRow: Row = {
  name: 'locks-free',
  async *measure(bed, effort) {
    const { raw, corral, client } = await bed.standalone()
    const locks = createLocks({ connection: corral, namespace: 'bench', ttl: `${TTL_MS}ms` })
    const byHand = await setNxLock(raw)
    const peers: [string, Redlock][] = bed.withPeers
      ? [
          ['redlock', openRedlock(client())],
          ['sesamecare', openSesamecare(client())],
        ]
      : []
    const nameOf = (turn: number): string => `lock:${turn % NAMES}`
    for (const { callers, floor } of SIZES) {
      yield await compare(
        {
          name: `lock free, ${callers} caller${callers === 1 ? '' : 's'}`,
          floor: { kind: 'ratio', value: floor, lead: 1.1 },
          raw: callersOf('SET NX', callers, (turn) => byHand(`raw:${nameOf(turn)}`, TTL_MS)),
          corral: callersOf('corral', callers, async (turn) => {
            const lock = await locks.acquire(nameOf(turn))
            await lock.release()
          }),
          peers: peers.map(([name, redlock]) =>
            callersOf(name, callers, async (turn) => {
              const lock = await redlock.acquire([`${name}:${nameOf(turn)}`], TTL_MS)
              await lock.release()
            }),
          ),
        },
        effort,
      )
    }
    await locks.close()
  },
}
