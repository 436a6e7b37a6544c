import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createCache } from '../../../src/index.ts'
import { countLoopDelay } from '../loop-delay.ts'
import { micros, pause } from '../machine-clock.ts'

export interface OutageLoad {
  readonly port: number
  readonly keys: number
  readonly loadMs: number
  /** Keys that the first process deletes while Redis is away. */
  readonly victims: number
  readonly narrowKeys: number
  readonly maxLoads: number
}

export interface OutageResult {
  /** When each call of `getOrSet` began, how long it took without the loop's delay (ms). */
  readonly calls: readonly (readonly [began: number, took: number])[]
  readonly loadsAt: readonly number[]
  readonly mostNarrowLoads: number
  readonly narrowLoadsAt: readonly number[]
  readonly rejected: readonly string[]
  /** Per victim: when the delete began and was answered, in the first process. */
  readonly deletes: readonly { readonly at: number; readonly acknowledged: boolean }[]
  /** Of reads that gave a victim's old value: when the last of each began. */
  readonly lastOld: readonly (number | undefined)[]
  /** Reads of the deleting process that gave an old value after the delete. */
  readonly wrong: readonly string[]
  readonly availableAt: readonly number[]
}

runWorker<OutageLoad, OutageResult>(async ({ index, data, barrier }) => {
  const client = new Redis(data.port, '127.0.0.1', {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 50,
  })
  client.on('error', () => {})
  process.removeAllListeners('warning')
  const cache = createCache({ connection: client, namespace: 'outage', near: { ttl: '2s' } })
  const narrow = createCache({
    connection: client,
    namespace: 'narrow',
    maxLoads: data.maxLoads,
  })
  const delay = countLoopDelay()
  const calls: [number, number][] = []
  const loadsAt: number[] = []
  const narrowLoadsAt: number[] = []
  const rejected: string[] = []
  const deletes: { at: number; acknowledged: boolean }[] = []
  const lastOld: (number | undefined)[] = Array.from({ length: data.victims })
  const wrong: string[] = []
  const availableAt: number[] = []
  let [narrowLoads, mostNarrowLoads] = [0, 0]
  let going = true

  async function measured(): Promise<void> {
    const key = `k${Math.floor(Math.random() * data.keys)}`
    const began = micros()
    const [started, delayed] = [performance.now(), delay()]
    try {
      await cache.getOrSet(
        key,
        async () => {
          loadsAt.push(micros())
          await pause(data.loadMs)
          return key
        },
        { ttl: '300ms' },
      )
    } catch (error) {
      rejected.push(String(error))
    }
    calls.push([began, performance.now() - started - (delay() - delayed)])
  }

  async function crowded(): Promise<void> {
    await narrow.getOrSet(
      `k${Math.floor(Math.random() * data.narrowKeys)}`,
      async () => {
        narrowLoadsAt.push(micros())
        mostNarrowLoads = Math.max(mostNarrowLoads, ++narrowLoads)
        await pause(data.loadMs)
        narrowLoads--
        return 1
      },
      { ttl: '300ms' },
    )
  }

  async function watch(victim: number): Promise<void> {
    const began = micros()
    const deleted = deletes[victim] !== undefined
    const value = Math.random() < 0.3 ? cache.peek(`v${victim}`) : await cache.get(`v${victim}`)
    if (value !== 'old') return
    lastOld[victim] = began
    if (deleted) wrong.push(`v${victim}, ${(began - (deletes[victim]?.at ?? 0)) / 1_000} ms later`)
  }

  async function again(each: () => Promise<void>): Promise<void> {
    while (going) {
      await each()
      await pause(2 + Math.random() * 10)
    }
  }

  await cache.get('warm-up')
  await cache.connection?.signals.whenOn(5_000)
  cache.connection?.onAvailability((available) => {
    if (available) availableAt.push(micros())
  })
  if (index === 0) {
    for (let i = 0; i < data.victims; i++) await cache.set(`v${i}`, 'old')
  }
  await barrier('stored')
  const loops = [
    ...Array.from({ length: 12 }, () => again(measured)),
    ...Array.from({ length: 12 }, () => again(crowded)),
    again(() => watch(Math.floor(Math.random() * data.victims))),
    again(() => watch(Math.floor(Math.random() * data.victims))),
  ]
  const stop = barrier('stop').then(() => (going = false))
  await barrier('frozen')
  if (index === 0) {
    for (let i = 0; i < data.victims; i++) {
      const deleting = cache.delete(`v${i}`)
      const entry = { at: micros(), acknowledged: true }
      deletes.push(entry)
      entry.acknowledged = await deleting
      await pause(20)
    }
  }
  await barrier('deleted')
  await stop
  await Promise.all(loops)
  return {
    calls,
    loadsAt,
    mostNarrowLoads,
    narrowLoadsAt,
    rejected,
    deletes,
    lastOld,
    wrong,
    availableAt,
  }
})
