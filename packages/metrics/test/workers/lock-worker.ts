import { createLocks } from '@corral/locks'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'

/** Takes a lock of each kind and never gives them back: it is to be killed. */
runWorker<{ readonly host: string; readonly port: number }>(async (ctx) => {
  const connection = new Redis(ctx.data.port, ctx.data.host, { maxRetriesPerRequest: null })
  const locks = createLocks({ connection, namespace: 'shop' })
  // Extended for as long as the process lives.
  const options = { ttl: '1s', autoExtend: true } as const
  await locks.acquire(`crash:${ctx.index}`, options)
  await locks.readWrite('shared').read(options)
  await locks.semaphore('pool', 3).acquire(options)
  ctx.report('held')
  await new Promise(() => {})
})
