import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createCache } from '../../../src/index.ts'

/** Begins to load a key, says so, and never ends. */
runWorker<{ readonly port: number; readonly leaseTtl: number }>(async ({ data, report }) => {
  const redis = new Redis(data.port, '127.0.0.1', { socketTimeout: 15_000 })
  const cache = createCache({
    connection: redis,
    namespace: 'shop:v1',
    lease: { ttl: data.leaseTtl },
  })
  await cache.getOrSet('k', () => {
    report('loading')
    return new Promise<string>(() => {})
  })
})
