import { createLocks } from '@corral/locks'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'

/** Takes two locks and never gives them back: it is to be killed. */
runWorker<{ readonly host: string; readonly port: number }>(async (ctx) => {
  const connection = new Redis(ctx.data.port, ctx.data.host, { maxRetriesPerRequest: null })
  const locks = createLocks({ connection, namespace: 'shop' })
  for (const n of [1, 2]) await locks.acquire(`crash:${ctx.index}:${n}`, { ttl: '2s' })
  ctx.report('held')
  await new Promise(() => {})
})
