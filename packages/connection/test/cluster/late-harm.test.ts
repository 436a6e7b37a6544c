import { type FaultProxy, startProxy, startRedis, type TestRedis, waitFor } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { type Connection, defineScript, shareConnection } from '../../src/index.ts'
import { type ClusterClient, type Driver, drivers, ignore } from '../guard/drivers.ts'
import { pause } from '../guard/pause.ts'
import { nth, type Writes, writes, writesWithoutDeadline } from '../guard/writes.ts'
import { beginMigration, endMigration, migrate, type Owner, ownerOf } from './slots.ts'

const increment = defineScript({
  name: 'test-increment',
  lua: `return redis.call('INCR', KEYS[1])`,
})

const DEADLINE_MS = 100
const NEWER = '1000'
const QUIET = { signals: false, onWarning: ignore, deadline: `${DEADLINE_MS}ms` } as const

interface Stage {
  readonly redis: TestRedis
  readonly proxyOf: (owner: Owner) => FaultProxy
  readonly client: ClusterClient
  readonly connection: Connection
}

/** A cluster whose every node is reached through a proxy of its own. */
async function withCluster(driver: Driver, run: (stage: Stage) => Promise<void>): Promise<void> {
  await using redis = await startRedis({ mode: 'cluster', prefer: 'binary' })
  const proxies = await Promise.all(redis.nodes.map((target) => startProxy({ target })))
  const natMap = Object.fromEntries(
    redis.nodes.map(({ host, port }, i) => [
      `${host}:${port}`,
      { host: proxies[i]!.host, port: proxies[i]!.port },
    ]),
  )
  const client = new driver.Cluster([{ host: proxies[0]!.host, port: proxies[0]!.port }], {
    natMap,
    clusterRetryStrategy: () => 50,
  })
  client.on('error', ignore)
  const connection = shareConnection(client, QUIET)
  const proxyOf = (owner: Owner): FaultProxy => proxies[redis.nodes.indexOf(owner.node)]!
  try {
    await waitFor(() => connection.available, { what: 'the cluster' })
    await run({ redis, proxyOf, client, connection })
  } finally {
    await connection.close()
    client.disconnect()
    await Promise.all(proxies.map((proxy) => proxy.close()))
  }
}

/**
 * Writes to a slot that has moved to `to`: its old owner says MOVED, the new one cannot be reached
 * before the deadline. Newer values are written there directly, then everything is delivered.
 */
async function writeWhileItMoves(stage: Stage, tag: string, kinds: Writes): Promise<Outcome> {
  const { redis, proxyOf, client, connection } = stage
  const keys = Array.from({ length: 60 }, (_, i) => `{${tag}}:${i}`)
  const { owner: from, other: to } = await ownerOf(redis, keys[0]!)
  await waitFor(() => connection.set(keys[0]!, 'warm').then(() => true))
  await connection.delete(keys[0]!)
  await beginMigration(redis, keys[0]!, from, to)
  await endMigration(redis, keys[0]!, to)
  for (const key of keys) await redis.commandOn(to.node, 'SET', key, '5')

  proxyOf(to).blackHole('up')
  const told = await Promise.all(
    keys.map((key, i) =>
      nth(kinds, i)(connection, key).then(
        () => undefined,
        () => key,
      ),
    ),
  )
  const failed = told.filter((key) => key !== undefined)
  for (const key of failed) await redis.commandOn(to.node, 'SET', key, NEWER)
  await proxyOf(to).heal()
  connection.reset()
  await waitFor(
    () => client.status === 'ready' && connection.get(keys[0]!).then((value) => value !== null),
  )
  // What the cluster client retries comes within its own delays.
  await pause(300)
  let harmed = 0
  for (const key of failed) if ((await redis.commandOn(to.node, 'GET', key)) !== NEWER) harmed++
  return { failed: failed.length, harmed }
}

/** Twenty increments are redirected, done, and their replies lost: what does the counter say? */
async function countThroughMove(stage: Stage, tag: string): Promise<number> {
  const { redis, proxyOf, client, connection } = stage
  const key = `{${tag}}`
  const { owner: from, other: to } = await ownerOf(redis, key)
  await waitFor(() => connection.set(key, '0').then(() => true))
  await beginMigration(redis, key, from, to)
  await migrate(redis, key, from, to)
  await endMigration(redis, key, to)
  const lost = proxyOf(to).dropNextReply({ command: 'EVAL' })
  const calls = Array.from({ length: 20 }, () =>
    // Time enough for the cluster client to try again, if it were let.
    connection.script(increment, [key], [], { deadlineMs: 1_500 }),
  )
  const results = await Promise.allSettled(calls)
  expect(results.some(({ status }) => status === 'rejected')).toBe(true)
  await lost
  await waitFor(() => client.status === 'ready' && connection.get(key).then(() => true))
  await pause(300)
  return Number(await redis.commandOn(to.node, 'GET', key))
}

interface Outcome {
  readonly failed: number
  readonly harmed: number
}

describe.each(drivers)('writes that failed ($name)', (driver) => {
  it('take no effect later through redirections of a cluster, 0 of 600', async () => {
    await withCluster(driver, async (stage) => {
      let failed = 0
      for (let round = 0; failed < 600; round++) {
        expect(round).toBeLessThan(15)
        const outcome = await writeWhileItMoves(stage, `moving:${round}`, writes)
        expect(outcome.harmed).toBe(0)
        failed += outcome.failed
      }
      const counted = await countThroughMove(stage, 'counted')
      expect(counted).toBeGreaterThan(0)
      expect(counted).toBeLessThanOrEqual(20)
      // Without the deadline in the script they would.
      const mutant = await writeWhileItMoves(stage, 'mutant', writesWithoutDeadline)
      expect(mutant.harmed).toBeGreaterThan(0)
    })
  })
})
