import { isCorralError } from '@corral/connection'
import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import { KEYS, payloadOf } from '../harness/payload.ts'
import type { Row } from '../harness/row.ts'
import { mgetByHand } from '../contenders/mget-by-hand.ts'

/**
 * What the guard adds to a call: against the same MGET batching without deadline, bounds, breaker
 * and handles; and what a call costs that is refused at once, against a promise that rejects.
 */
export const guardRow: Row = {
  name: 'guard',
  async *measure(bed, effort) {
    const { corral, client } = await bed.standalone()
    const plain = client()
    const byHand = mgetByHand(plain)
    const keys = Array.from({ length: KEYS }, (_, id) => `bench:guard:${id}`)
    await plain.mset(keys.flatMap((key, id) => [key, payloadOf(200, id)]))
    for (const callers of [1, 64, 512]) {
      yield await compare(
        {
          name: `guard, ${callers} caller${callers === 1 ? '' : 's'}`,
          floor: { kind: 'micros', value: 2 },
          raw: callersOf('mget', callers, (turn) => byHand(keys[turn % KEYS]!)),
          corral: callersOf('corral', callers, (turn) => corral.get(keys[turn % KEYS]!)),
        },
        effort,
      )
    }
    corral.isolate()
    try {
      yield await compare(
        {
          name: 'guard, refused',
          floor: { kind: 'micros', value: 2 },
          raw: callersOf('rejection', 1, batchOf(refuseBare), REFUSALS),
          corral: callersOf(
            'corral',
            1,
            batchOf(() => corral.get('bench:guard:0').catch(expectRefusal)),
            REFUSALS,
          ),
        },
        effort,
      )
    } finally {
      corral.reset()
    }
  },
}

/** So many refused calls, then the event loop: refusals alone would never let the timer fire. */
const REFUSALS = 200

function batchOf(call: () => Promise<unknown>): () => Promise<void> {
  return async () => {
    for (let i = 0; i < REFUSALS; i++) await call()
    await new Promise(setImmediate)
  }
}

const REFUSED = new Error('refused')

function refuseBare(): Promise<unknown> {
  return Promise.reject(REFUSED).catch(() => undefined)
}

function expectRefusal(error: unknown): void {
  if (!isCorralError(error, 'REDIS_UNAVAILABLE')) throw error
}
