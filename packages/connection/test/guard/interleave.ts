import {
  type FaultProxy,
  openRawConnection,
  type RawConnection,
  startProxy,
  startRedis,
  type TestRedis,
  waitFor,
} from '@corral/testing'
import { type Connection, shareConnection } from '../../src/index.ts'
import { type Client, type Driver, ignore } from './drivers.ts'
import { pause } from './pause.ts'
import { nth, type Writes } from './writes.ts'

/** How a write comes to be reported failed while it is still on its way. */
export type Trouble =
  | 'black hole'
  | 'black hole, connection cut'
  | 'reply lost'
  | 'frozen server'
  | 'frozen server, connection cut'

export const troubles: readonly Trouble[] = [
  'black hole',
  'black hole, connection cut',
  'reply lost',
  'frozen server',
  'frozen server, connection cut',
]

export interface Outcome {
  /** Writes whose callers were told that they failed. */
  readonly failed: number
  /** Those of them that took effect after the newer write. */
  readonly harmed: number
}

export interface Stage extends AsyncDisposable {
  run(trouble: Trouble, writes: Writes, rounds: number): Promise<Outcome>
}

const PER_ROUND = 60
const DEADLINE_MS = 100
/** When the fault ends after a cut: now before the deadline, now after it. */
const HEAL_AFTER_MS = [40, 150, 0, 70, 200, 20]
/** A newer value, whatever the kind of write: a number, so that counters could add to it. */
const NEWER = '1000'

/** One Redis, a guarded client behind a proxy, and a way past the proxy for the newer writes. */
export async function setStage(driver: Driver): Promise<Stage> {
  const redis = await startRedis({ prefer: 'binary' })
  const proxy = await startProxy({ target: redis })
  const direct = await openRawConnection(redis)
  const client = new driver.Redis({
    host: proxy.host,
    port: proxy.port,
    maxRetriesPerRequest: null,
    retryStrategy: () => 20,
  })
  client.on('error', ignore)
  const connection = shareConnection(client, {
    deadline: `${DEADLINE_MS}ms`,
    signals: false,
    onWarning: ignore,
  })
  let serial = 0
  const turns = new Map<Trouble, number>()

  return {
    async run(trouble, writes, rounds) {
      let failed = 0
      let harmed = 0
      for (let round = 0; round < rounds; round++) {
        const turn = turns.get(trouble) ?? 0
        turns.set(trouble, turn + 1)
        const healAfterMs = HEAL_AFTER_MS[turn % HEAL_AFTER_MS.length] ?? 0
        const outcome = await act({
          redis,
          proxy,
          direct,
          client,
          connection,
          trouble,
          writes,
          healAfterMs,
          serial: serial++,
        })
        failed += outcome.failed
        harmed += outcome.harmed
      }
      return { failed, harmed }
    },
    async [Symbol.asyncDispose]() {
      await connection.close()
      client.disconnect()
      direct.close()
      await proxy.close()
      await redis.stop()
    },
  }
}

interface Act {
  readonly redis: TestRedis
  readonly proxy: FaultProxy
  readonly direct: RawConnection
  readonly client: Client
  readonly connection: Connection
  readonly trouble: Trouble
  readonly writes: Writes
  readonly serial: number
  readonly healAfterMs: number
}

async function act({
  redis,
  proxy,
  direct,
  client,
  connection,
  trouble,
  writes,
  serial,
  healAfterMs,
}: Act): Promise<Outcome> {
  connection.reset()
  await waitFor(() => connection.available, { what: 'the connection' })
  // Also makes sure that the server's time is known, so that the writes below leave at once.
  await connection.set('warm', 'up')
  const keys = Array.from({ length: PER_ROUND }, (_, i) => `late:${serial}:${i}`)
  for (const key of keys) await direct.send('SET', key, '5')

  const frozen = trouble.startsWith('frozen')
  if (frozen) await redis.pause()
  else if (trouble === 'reply lost') void proxy.dropNextReply()
  else proxy.blackHole('up')

  const told = keys.map(async (key, i) => {
    // Some in one tick, some in the next ones.
    if (i % 3 === 2) await new Promise((resolve) => setImmediate(resolve))
    try {
      await nth(writes, i)(connection, key)
      return undefined
    } catch {
      // Told to have failed: whatever is written now is newer.
      if (trouble !== 'frozen server') await direct.send('SET', key, NEWER)
      return key
    }
  })
  if (trouble.endsWith('cut')) {
    await waitFor(() => proxy.stats().commands.some(({ args }) => args.includes(keys[0]!)), {
      what: 'the writes to be on their way',
      interval: 1,
    })
    client.stream.destroy()
  }
  // Without a cut the fault outlives the deadline.
  if (trouble === 'black hole' || trouble === 'frozen server') await Promise.all(told)
  else await pause(healAfterMs)
  if (frozen) await redis.resume()
  else await proxy.heal()
  const failed = (await Promise.all(told)).filter((key) => key !== undefined)
  // What ioredis sends again is answered before this, and what the proxy held has arrived.
  await waitFor(() => client.status === 'ready', { what: 'the client' })
  await client.call('ping')
  await pause(30)
  if (failed.length === 0) return { failed: 0, harmed: 0 }
  // A frozen server takes no newer write: there the older value has to stand.
  const expected = trouble === 'frozen server' ? '5' : NEWER
  const values = (await direct.send('MGET', ...failed)) as (string | null)[]
  return { failed: failed.length, harmed: values.filter((value) => value !== expected).length }
}
