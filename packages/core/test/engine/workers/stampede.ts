import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createCache } from '../../../src/index.ts'

export interface Stampede {
  readonly port: number
  readonly callers: number
  readonly keys: number
  readonly loadMs: number
}

export interface StampedeResult {
  readonly wrong: number
  /** ms of each call. */
  readonly latencies: readonly number[]
  readonly leaseWaited: number
}

/** Many callers ask for the same missing keys at once; each load is counted in Redis. */
runWorker<Stampede, StampedeResult>(async ({ data, barrier }) => {
  const redis = new Redis(data.port, '127.0.0.1', { socketTimeout: 15_000 })
  const source = new Redis(data.port, '127.0.0.1')
  const cache = createCache({ connection: redis, namespace: 'shop:v1' })
  await cache.get('warm-up')
  await barrier('ready')

  let wrong = 0
  const latencies: number[] = []
  async function call(key: string): Promise<void> {
    const started = performance.now()
    const value = await cache.getOrSet(key, async () => {
      await source.incr(`loads:${key}`)
      await new Promise((resolve) => setTimeout(resolve, data.loadMs))
      return { of: key }
    })
    latencies.push(performance.now() - started)
    if (value.of !== key) wrong++
  }
  await Promise.all(
    Array.from({ length: data.callers * data.keys }, (_, i) => call(`k${i % data.keys}`)),
  )
  const { leaseWaited } = await cache.stats()
  return { wrong, latencies, leaseWaited }
})
