import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { epoch } from './harness.ts'

export interface WriterData {
  readonly port: number
  readonly prefix: string
  /** How many keys; each is written once. */
  readonly count: number
  /** Writes in flight at a time. */
  readonly batch: number
}

/** Writes `<prefix><worker>:<n>` one after another; its result is when each was sent. */
runWorker<WriterData, [key: string, at: number][]>(async ({ index, data, barrier }) => {
  const client = new Redis(data.port, '127.0.0.1')
  await client.ping()
  await barrier('start')
  const written: [string, number][] = []
  for (let n = 0; n < data.count; n += data.batch) {
    const sent = Array.from({ length: data.batch }, (_, i) => {
      const key = `${data.prefix}${index}:${n + i}`
      written.push([key, epoch()])
      return client.set(key, 'x', 'PX', 60_000)
    })
    await Promise.all(sent)
  }
  client.disconnect()
  return written
})
