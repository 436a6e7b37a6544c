import { callersOf } from './callers.ts'
import type { Contender } from './alternate.ts'
import { KEYS } from './payload.ts'

/** Hits counted between two looks at the clock. */
const BATCH = 2_000

/** One caller who asks for one key after the other, each answered before the next. */
export function awaitedHits(
  name: string,
  keys: readonly string[],
  hit: (key: string) => unknown,
): Contender {
  return batchesOf(name, async (turn) => {
    for (let i = 0; i < BATCH; i++) await hit(keys[(turn + i) % KEYS]!)
  })
}

/** The same without a promise. */
export function bareHits(
  name: string,
  keys: readonly string[],
  hit: (key: string) => unknown,
): Contender {
  return batchesOf(name, (turn) => {
    for (let i = 0; i < BATCH; i++) hit(keys[(turn + i) % KEYS]!)
  })
}

/** A timer must get its turn between two of them. */
function batchesOf(name: string, run: (turn: number) => Promise<void> | void): Contender {
  async function batch(turn: number): Promise<void> {
    await run(turn)
    await new Promise(setImmediate)
  }
  return callersOf(name, 1, batch, BATCH)
}
