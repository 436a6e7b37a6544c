import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import type { Row } from '../harness/row.ts'

const CALLERS = 1_000
const LOAD_MS = 50

const load = (): Promise<string> =>
  new Promise((resolve) => setTimeout(() => resolve('value'), LOAD_MS))

/** A thousand callers of one missing key; one operation is all of them served. */
export const stampedeRow: Row = {
  name: 'stampede',
  async *measure(bed, effort) {
    const { cache } = await bed.standalone()
    let loads = 0
    let bursts = 0
    async function burst(): Promise<void> {
      const key = `stampede:${bursts++}`
      const callers = Array.from({ length: CALLERS }, () =>
        cache.getOrSet(key, () => {
          loads++
          return load()
        }),
      )
      await Promise.all(callers)
    }
    yield await compare(
      {
        name: `stampede, ${CALLERS} callers, loader ${LOAD_MS} ms`,
        floor: { kind: 'micros', value: 5_000 },
        raw: callersOf('the loader alone', 1, load),
        corral: callersOf('corral', 1, burst),
      },
      effort,
    )
    if (loads !== bursts) throw new Error(`stampede: ${loads} loads for ${bursts} keys`)
  },
}
