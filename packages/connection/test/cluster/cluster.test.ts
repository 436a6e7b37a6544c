import { recordTrace, startRedis, type TestRedis, waitFor } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Connection,
  defineEachScript,
  isCorralError,
  openConnection,
  shareConnection,
} from '../../src/index.ts'
import { watchLoop } from '../faults/loop-delay.ts'
import { type ClusterClient, type Driver, drivers, ignore } from '../guard/drivers.ts'
import { beginMigration, endMigration, mastersOf, migrate, ownerOf } from './slots.ts'

const QUIET = { signals: false, onWarning: ignore } as const
const KEYS = Array.from({ length: 1_000 }, (_, i) => `key:${i}`)

const setEach = defineEachScript({
  name: 'test-set',
  argsPerKey: 1,
  lua: `for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1]) end return KEYS`,
})
const removeEach = defineEachScript({
  name: 'test-remove',
  argsPerKey: 0,
  lua: `local out = {} for i, key in ipairs(KEYS) do out[i] = redis.call('DEL', key) end return out`,
})

let redis: TestRedis

function open({ Cluster }: Driver): ClusterClient {
  const nodes = redis.nodes.map(({ host, port }) => ({ host, port }))
  const client = new Cluster(nodes, {
    clusterRetryStrategy: () => 50,
    redisOptions: { maxRetriesPerRequest: null },
  })
  client.on('error', ignore)
  return client
}

async function ready(connection: Connection): Promise<void> {
  await waitFor(() => connection.available, { what: 'all masters', timeout: 15_000 })
}

/** Calls at a steady rate on given keys; tells what became of them. */
function load(connection: Connection, keys: readonly string[]) {
  const seen = { ok: 0, refused: 0, foreign: [] as unknown[], slowest: 0, missing: 0 }
  const under = new Set<Promise<void>>()
  const loop = watchLoop()
  let at = 0
  const call = async (key: string): Promise<void> => {
    const startedAt = performance.now()
    try {
      if ((await connection.get(key)) === null) seen.missing++
      await connection.set(key, key)
      seen.ok++
    } catch (error) {
      if (isCorralError(error)) seen.refused++
      else seen.foreign.push(error)
    }
    const end = performance.now()
    seen.slowest = Math.max(seen.slowest, end - startedAt - loop.between(startedAt, end))
  }
  const timer = setInterval(() => {
    const one: Promise<void> = call(keys[at++ % keys.length]!).finally(() => under.delete(one))
    under.add(one)
  }, 4)
  return {
    seen,
    async stop() {
      clearInterval(timer)
      await Promise.all(under)
      loop[Symbol.dispose]()
      return seen
    },
  }
}

describe.each(drivers)('a cluster ($name)', (driver) => {
  beforeAll(async () => {
    redis = await startRedis({ mode: 'cluster', prefer: 'binary' })
  })

  afterAll(() => redis.stop())

  it('takes bulk calls and bursts over all slots', async () => {
    const client = open(driver)
    await using connection = shareConnection(client, QUIET)
    await connection.set('warm', 'up', { deadlineMs: 5_000 })
    await ready(connection)
    expect(connection.isCluster).toBe(true)
    await connection.scriptMany(setEach, KEYS, KEYS)
    expect(await connection.getMany(KEYS)).toEqual(KEYS)

    const scanned = new Set<string>()
    for await (const page of connection.scan('key:*')) for (const key of page) scanned.add(key)
    expect(scanned.size).toBe(KEYS.length)
    expect((await connection.info()).size).toBe(3)
    expect(await connection.scriptMany(removeEach, KEYS, [])).toEqual(KEYS.map(() => 1))
    expect(await connection.getMany(KEYS)).toEqual(KEYS.map(() => null))

    // One second each: six servers and this process share the cores of the machine.
    const many = Array.from({ length: 5_000 }, (_, i) => `burst:${i}`)
    await Promise.all(many.map((key) => connection.set(key, key, { deadlineMs: 1_000 })))
    const values = await Promise.all(many.map((key) => connection.get(key, { deadlineMs: 1_000 })))
    expect(values).toEqual(many)
    const gone = await Promise.all(many.map((key) => connection.delete(key, { deadlineMs: 1_000 })))
    expect(gone.every(Boolean)).toBe(true)
    const ours = (): number =>
      client
        .nodes('all')
        .flatMap((node) => ['ready', 'close', 'end'].flatMap((event) => node.listeners(event)))
        .filter((listener) => /^on(Ready|Down)$/.test((listener as { name: string }).name)).length
    expect(ours()).toBeGreaterThanOrEqual(9)
    await connection.close()
    expect(ours()).toBe(0)
    client.disconnect()
  })

  it('is opened and closed by Corral', async () => {
    const cluster = redis.nodes.slice(0, 1).map(({ host, port }) => ({ host, port }))
    const owned = openConnection({ cluster }, { ...QUIET, deadline: '5s' })
    await owned.set('opened', 'here')
    expect(await owned.get('opened')).toBe('here')
    expect(owned.isCluster).toBe(true)
    await owned.close()
    expect(owned.client.status).toBe('end')
    await expect(owned.get('opened')).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
  })

  it('is shared with BullMQ', async () => {
    const client = open(driver)
    const queue = new driver.Queue('mail', { connection: client, prefix: '{bull}' })
    const done: string[] = []
    const worker = new driver.Worker('mail', async ({ id = '' }) => void done.push(id), {
      connection: client,
      prefix: '{bull}',
    })
    queue.on('error', ignore)
    worker.on('error', ignore)
    const first = shareConnection(client, { ...QUIET, deadline: '2s' })
    const second = shareConnection(queue)
    expect(() => shareConnection(worker, { deadline: '1s' })).toThrow(/deadline/)
    await second.set('beside', 'here')
    for (let i = 0; i < 20; i++) await queue.add('work', {}, { jobId: `job-${i}` })
    await waitFor(() => done.length === 20, { what: 'all jobs' })
    await first.close()
    expect(await second.get('beside')).toBe('here')
    await second.close()
    expect(client.status).toBe('ready')
    await worker.close()
    await queue.close()
    client.disconnect()
  })

  it('keeps a frozen master from harming the others, with bounds of its own', async () => {
    const client = open(driver)
    const maxPending = 16
    await using connection = shareConnection(client, { ...QUIET, maxPending, deadline: '500ms' })
    await connection.set('warm', 'up', { deadlineMs: 5_000 })
    await ready(connection)
    await waitFor(() => allThere(connection), { what: 'all keys' })
    const { owner } = await ownerOf(redis, KEYS[0]!)
    const byNode = await Promise.all(
      KEYS.slice(0, 60).map(async (key) => ({
        key,
        sick: (await ownerOf(redis, key)).owner.id === owner.id,
      })),
    )
    const sick = byNode.filter((each) => each.sick).map(({ key }) => key)
    const healthy = byNode.filter((each) => !each.sick).map(({ key }) => key)

    using trace = recordTrace(['corral:connection:breaker'])
    await redis.pause(owner.node)
    const onHealthy = load(connection, healthy)
    const onSick = load(connection, sick)
    // All at once, single keys: more than may be in flight to one node.
    const burst = await Promise.allSettled(
      Array.from({ length: 100 }, () => connection.read({ name: 'strlen', key: KEYS[0]! })),
    )
    expect(burst.every(({ status }) => status === 'rejected')).toBe(true)
    await waitFor(() => trace.of('corral:connection:breaker').length > 0, { what: 'the breaker' })
    const { nodes } = await connection.health()
    for (const node of nodes) expect(node.pending).toBeLessThanOrEqual(maxPending)
    expect(nodes.filter(({ read }) => read !== 'closed').map(({ node }) => node)).toEqual([
      `${owner.node.host}:${owner.node.port}`,
    ])
    await waitFor(() => onSick.seen.refused > 50, { what: 'refusals' })
    await redis.resume(owner.node)
    const resumedAt = performance.now()
    await waitFor(() => connection.get(KEYS[0]!).then((value) => value === KEYS[0]), {
      what: 'the first hit',
      interval: 5,
    })
    expect(performance.now() - resumedAt).toBeLessThan(1_000)

    const [good, bad] = [await onHealthy.stop(), await onSick.stop()]
    expect(good).toMatchObject({ refused: 0, foreign: [], missing: 0 })
    expect(good.ok).toBeGreaterThan(50)
    expect(bad.foreign).toEqual([])
    client.disconnect()
  })

  it('follows a slot that moves, by ASK and by MOVED', async () => {
    const client = open(driver)
    await using connection = shareConnection(client, QUIET)
    await connection.set('warm', 'up', { deadlineMs: 5_000 })
    await ready(connection)
    const tag = `{moving-${driver.ioredis}}`
    const [stays, goes, fresh] = [`${tag}:stays`, `${tag}:goes`, `${tag}:new`]
    await connection.set(stays, 'stays')
    await connection.set(goes, 'goes')
    const { owner, other } = await ownerOf(redis, stays)
    await beginMigration(redis, stays, owner, other)
    await migrate(redis, goes, owner, other)

    // Each by a command of its own: the slot is in two places.
    expect(await connection.get(stays)).toBe('stays')
    expect(await connection.get(goes)).toBe('goes')
    await connection.set(fresh, 'new')
    expect(await redis.commandOn(owner.node, 'EXISTS', stays)).toBe(1)
    expect(await connection.get(fresh)).toBe('new')
    expect(await connection.delete(goes)).toBe(true)

    await migrate(redis, stays, owner, other)
    await endMigration(redis, stays, other)
    expect(await connection.getMany([stays, goes, fresh])).toEqual(['stays', null, 'new'])
    await connection.set(stays, 'still')
    expect(await connection.get(stays)).toBe('still')
    expect(await redis.commandOn(other.node, 'GET', stays)).toBe('still')
    await waitFor(async () => (await connection.health()).status === 'ok')
    client.disconnect()
  })

  it('comes back after all of its nodes were gone', async () => {
    const client = open(driver)
    await using connection = shareConnection(client, QUIET)
    await connection.set('warm', 'up', { deadlineMs: 5_000 })
    const running = load(connection, KEYS)
    await Promise.all(redis.nodes.map((node) => redis.kill(node)))
    await waitFor(() => running.seen.refused > 20, { what: 'refusals' })
    await Promise.all(redis.nodes.map((node) => redis.restart(node)))
    await waitFor(() => allThere(connection), { what: 'all keys', timeout: 30_000 })
    const seen = await running.stop()
    expect(seen.foreign).toEqual([])
    expect(seen.slowest).toBeLessThan(2 * 200 + 150)
    await waitFor(() => connection.available, { what: 'all masters' })
    client.disconnect()
  })

  it('lives through a planned failover, a killed and a frozen master', async () => {
    const client = open(driver)
    await using connection = shareConnection(client, QUIET)
    await connection.set('warm', 'up', { deadlineMs: 5_000 })
    await ready(connection)
    await waitFor(() => allThere(connection), { what: 'all keys' })
    const running = load(connection, KEYS)

    const [planned, killed, frozen] = (await mastersOf(redis)).map(({ node }) => node)
    await redis.failover(planned)
    await waitFor(() => allThere(connection), {
      what: 'all keys after a planned failover',
      timeout: 20_000,
    })

    await redis.kill(killed)
    await redis.failover(killed)
    await waitFor(() => allThere(connection), { what: 'all keys after a kill', timeout: 20_000 })
    await redis.restart(killed)

    await redis.pause(frozen)
    await redis.failover(frozen)
    await waitFor(() => allThere(connection), { what: 'all keys after a freeze', timeout: 20_000 })
    await redis.resume(frozen)
    await waitFor(() => allThere(connection), { what: 'all keys at the end', timeout: 20_000 })

    const seen = await running.stop()
    expect(seen.foreign).toEqual([])
    expect(seen.ok).toBeGreaterThan(100)
    // Read and write, each within its deadline.
    expect(seen.slowest).toBeLessThan(2 * 200 + 150)
    client.disconnect()
  })
})

/** Replication is asynchronous: a failover may lose the last writes, so keys count, written again. */
async function allThere(connection: Connection): Promise<boolean> {
  await Promise.all(KEYS.map((key) => connection.set(key, key)))
  const values = await connection.getMany(KEYS)
  return values.every((value, i) => value === KEYS[i])
}
