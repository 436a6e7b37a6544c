import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createCache } from '../../../src/index.ts'
import { pause } from '../machine-clock.ts'

export interface MemoryWriter {
  readonly port: number
  readonly valueBytes: number
  /** Of each process, while values are stored; refused ones cost nothing and are not waited for. */
  readonly bytesPerSecond: number
}

export interface MemoryWriterResult {
  readonly stored: number
  readonly refused: number
  readonly warnings: readonly string[]
}

/** Stores values by `set` and by `getOrSet` until the test says stop. */
runWorker<MemoryWriter, MemoryWriterResult>(async ({ index, data, barrier }) => {
  const client = new Redis(data.port, '127.0.0.1', { socketTimeout: 15_000 })
  const warnings: string[] = []
  process.removeAllListeners('warning')
  process.on('warning', (warning: Error & { code?: string }) => warnings.push(String(warning.code)))
  const cache = createCache({ connection: client, namespace: 'memory' })
  await cache.get('warm-up')
  let [stored, refused, written] = [0, 0, 0]
  let going = true
  const stop = barrier('stop').then(() => (going = false))
  await barrier('begin')
  const value = 'x'.repeat(data.valueBytes)
  while (going) {
    const key = `k${index}:${written++}`
    if (written % 2 === 0) await cache.getOrSet(key, () => value)
    const done =
      written % 2 === 0 ? (await cache.ttl(key)) !== undefined : await cache.set(key, value)
    if (done) stored++
    else refused++
    await pause(done ? (1_000 * data.valueBytes) / data.bytesPerSecond : 1)
  }
  await stop
  return { stored, refused, warnings }
})
