import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes of heap in use after a full collection; needs no `--expose-gc`. */
export async function memoryAfterGc(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  // Twice, with a turn between: finalizers and promise reactions let go of what they held.
  for (let round = 0; round < 2; round++) {
    gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
  gc()
  return process.memoryUsage().heapUsed
}
