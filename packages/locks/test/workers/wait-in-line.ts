import { shareConnection } from '@corral/connection'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createLocks } from '../../src/index.ts'

export interface WaitInLine {
  readonly port: number
  readonly name: string
}

/** Waits in a fair line, says so when it got the lock, and holds it for ever. */
runWorker<WaitInLine>(async ({ data, report }) => {
  const redis = new Redis(data.port, '127.0.0.1', { socketTimeout: 15_000 })
  const locks = createLocks({
    connection: shareConnection(redis, { deadline: '5s' }),
    namespace: 'shop',
    wait: '1m',
  })
  // Hears before it waits.
  await locks.using('warm', () => undefined)
  await locks.fair(data.name).acquire({ autoExtend: true })
  report('got')
  await new Promise(() => {})
})
