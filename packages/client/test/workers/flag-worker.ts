import { shareConnection } from '@corral/connection'
import { runWorker, waitFor } from '@corral/testing'
import { Redis } from 'ioredis'
import { createFlags } from '../../src/index.ts'

/** Epoch milliseconds with fractions, the same in all processes of a machine. */
const epoch = (): number => performance.timeOrigin + performance.now()

/** Tells how many ms after its setting each value of the flag `sent-at` was seen here. */
runWorker<{ host: string; port: number; changes: number }, number[]>(async (ctx) => {
  const { host, port, changes } = ctx.data
  const client = new Redis(port, host, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
  const connection = shareConnection(client, { deadline: '5s' })
  const flags = createFlags({ connection, namespace: 'app' })
  const lags: number[] = []
  let last = 0
  flags.listen({
    changed() {
      const sentAt = flags.value('sent-at', 0)
      if (sentAt > 0 && sentAt !== last) {
        lags.push(epoch() - sentAt)
        ctx.report(lags.length)
      }
      last = sentAt
    },
  })
  await flags.ready()
  await connection.signals.whenOn(20_000)
  await ctx.barrier('listening')
  await waitFor(() => lags.length === changes, { timeout: 50_000, interval: 5 })
  return lags
})
