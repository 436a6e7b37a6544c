import { shareConnection } from '@corral/connection'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createCache } from '../../../src/index.ts'
import { countLoopDelay } from '../loop-delay.ts'
import { pause, turn } from '../machine-clock.ts'

export interface Refreshing {
  readonly port: number
  readonly near: boolean
  readonly keys: number
  readonly loadMs: number
  readonly calls: number
}

export interface RefreshingResult {
  /** ms, the loop's own delay taken out. */
  readonly plain: Float64Array
  readonly stale: Float64Array
  readonly loads: readonly string[]
  readonly wrong: number
}

const stalePolicy = { ttl: '100ms', staleWhileRevalidate: '1h' } as const

runWorker<Refreshing, RefreshingResult>(async ({ index, data, barrier }) => {
  const client = new Redis(data.port, '127.0.0.1', { socketTimeout: 15_000 })
  const connection = shareConnection(client, { deadline: '10s', onWarning: () => {} })
  const cache = createCache({
    connection,
    namespace: 'refreshing',
    ...(data.near && { near: {} }),
  })
  const delay = countLoopDelay()
  const loads: string[] = []
  let wrong = 0
  let loaded = 'old'

  async function call(key: string, policy: typeof stalePolicy | undefined): Promise<number> {
    const [started, delayed] = [performance.now(), delay()]
    const value = await cache.getOrSet(
      key,
      async () => {
        loads.push(key)
        await pause(data.loadMs)
        return loaded
      },
      policy ?? '1h',
    )
    const took = performance.now() - started - (delay() - delayed)
    if (value !== 'old' && value !== 'new') wrong++
    return took
  }

  /** One caller, one call after the other: what it sees is what a call takes. */
  async function measure(prefix: string, policy?: typeof stalePolicy): Promise<Float64Array> {
    const took = new Float64Array(data.calls)
    for (let i = 0; i < data.calls; i++) {
      took[i] = await call(`${prefix}${i % data.keys}`, policy)
      if (data.near) await turn()
    }
    return took
  }

  await cache.get('warm-up')
  await cache.connection?.signals.whenOn(5_000)
  if (index === 0) {
    for (let i = 0; i < data.keys; i++) {
      await cache.set(`fresh${i}`, 'old')
      await cache.set(`stale${i}`, 'old', stalePolicy)
    }
  }
  await barrier('stored')
  // Both ways of answering have run, and near copies are there.
  await measure('fresh')
  while ((await cache.ttl('stale0')) !== undefined) await pause(20)
  await pause(100)
  if (data.near) await cache.getMany(Array.from({ length: data.keys }, (_, i) => `stale${i}`))
  loads.length = 0
  loaded = 'new'
  await barrier('plain')
  const plain = await measure('fresh')
  await barrier('stale')
  const stale = await measure('stale', { ...stalePolicy, ttl: '1h' as '100ms' })
  await barrier('loaded')
  await pause(3 * data.loadMs)
  for (let i = 0; i < data.keys; i++) {
    if ((await cache.get(`stale${i}`)) !== 'new') wrong++
  }
  await barrier('looked')
  return { plain, stale, loads, wrong }
})
