import { shareConnection } from '@corral/connection'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createLocks } from '../../src/index.ts'

export interface StandInLine {
  readonly port: number
  readonly callers: number
  readonly times: number
}

/** Takes a fair lock over and over; returns token and fencing token of each hold. */
runWorker<StandInLine, [string, number][]>(async ({ data, barrier }) => {
  const redis = new Redis(data.port, '127.0.0.1', { socketTimeout: 15_000 })
  const locks = createLocks({
    connection: shareConnection(redis, { deadline: '5s' }),
    namespace: 'shop',
    wait: '1m',
  })
  const holds: [string, number][] = []
  await barrier('ready')
  async function caller(): Promise<void> {
    for (let i = 0; i < data.times; i++) {
      const lock = await locks.fair('line').acquire()
      holds.push([lock.token, lock.fencingToken])
      await lock.release()
    }
  }
  await Promise.all(Array.from({ length: data.callers }, caller))
  return holds
})
