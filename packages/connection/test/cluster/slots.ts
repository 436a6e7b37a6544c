import type { RedisNode, TestRedis } from '@corral/testing'
import calculateSlot from 'cluster-key-slot'

export interface Owner {
  readonly node: RedisNode
  readonly id: string
}

/** The masters of a cluster with their ids, as the first node that answers sees them. */
export async function mastersOf(redis: TestRedis): Promise<Owner[]> {
  const lines = String(await redis.command('CLUSTER', 'NODES'))
    .trim()
    .split('\n')
  const owners: Owner[] = []
  for (const line of lines) {
    const [id = '', address = '', flags = ''] = line.split(' ')
    const port = Number(/:(\d+)@/.exec(address)?.[1])
    const node = redis.nodes.find((each) => each.port === port)
    if (flags.includes('master') && !flags.includes('fail') && node !== undefined)
      owners.push({ node, id })
  }
  return owners
}

/** Who holds a key now, and another master. */
export async function ownerOf(
  redis: TestRedis,
  key: string,
): Promise<{ owner: Owner; other: Owner }> {
  const masters = await mastersOf(redis)
  const slot = calculateSlot(key)
  const ranges = (await redis.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
  const port = ranges.find(([from, to]) => slot >= from && slot <= to)?.[2][1]
  const owner = masters.find(({ node }) => node.port === port)
  const other = masters.find(({ node }) => node.port !== port)
  if (owner === undefined || other === undefined) throw new Error(`nobody holds slot ${slot}`)
  return { owner, other }
}

/** Opens the migration of a key's slot: missing keys are answered with ASK from now on. */
export async function beginMigration(
  redis: TestRedis,
  key: string,
  from: Owner,
  to: Owner,
): Promise<void> {
  const slot = calculateSlot(key)
  await redis.commandOn(to.node, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
  await redis.commandOn(from.node, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
}

export async function migrate(
  redis: TestRedis,
  key: string,
  from: Owner,
  to: Owner,
): Promise<void> {
  await redis.commandOn(from.node, 'MIGRATE', to.node.host, to.node.port, key, 0, 5_000)
}

/** Hands the slot over: the old owner answers with MOVED from now on. */
export async function endMigration(redis: TestRedis, key: string, to: Owner): Promise<void> {
  const slot = calculateSlot(key)
  await redis.commandOn(to.node, 'CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
  for (const { node, id } of await mastersOf(redis)) {
    if (id !== to.id) await redis.commandOn(node, 'CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
  }
}
