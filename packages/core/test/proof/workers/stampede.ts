import { shareConnection } from '@corral/connection'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createCache } from '../../../src/index.ts'
import { pause } from '../machine-clock.ts'

export interface Stampede {
  readonly port: number
  /** Of each key. */
  readonly callers: number
  readonly keys: number
  readonly loadMs: number
}

export interface StampedeResult {
  readonly loads: number
  readonly wrong: number
  readonly errors: number
  /** ms of each call. */
  readonly latencies: Float64Array
}

runWorker<Stampede, StampedeResult>(async ({ index, data, barrier }) => {
  const client = new Redis(data.port, '127.0.0.1', { socketTimeout: 15_000 })
  // A machine that does not let a process run for 200 ms is not to be taken for an outage.
  const connection = shareConnection(client, { deadline: '10s', onWarning: () => {} })
  const cache = createCache({ connection, namespace: 'stampede' })
  let loads = 0
  let wrong = 0
  async function round(name: string): Promise<Float64Array> {
    await barrier(name)
    const latencies = new Float64Array(data.callers * data.keys)
    const call = async (at: number): Promise<void> => {
      const key = `${name}:${at % data.keys}`
      const started = performance.now()
      const value = await cache.getOrSet(key, async () => {
        loads++
        await pause(data.loadMs)
        return { of: key, by: index }
      })
      latencies[at] = performance.now() - started
      if (value.of !== key) wrong++
    }
    await Promise.all(Array.from(latencies, (_, at) => call(at)))
    return latencies
  }
  // The first loads scripts, compiles, and opens the signals.
  await round('warm-up')
  await pause(200)
  loads = 0
  const latencies = await round('measured')
  await barrier('done')
  const { errors } = await cache.stats()
  return { loads, wrong, errors, latencies }
})
