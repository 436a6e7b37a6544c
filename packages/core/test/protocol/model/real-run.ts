import { setTimeout as sleep } from 'node:timers/promises'
import { openRawConnection } from '@corral/testing'
import type { Cluster, Redis } from 'ioredis'
import { refreshLeaseKey } from '../../../src/protocol/index.ts'
import type { Script } from '../protocol.ts'
import { runScript } from '../run-script.ts'
import type { Command } from './command.ts'
import { DEADLINE_MS, LEASE_MS, NAMESPACE, stampKeys, stampsOf } from './flows.ts'
import { allGuards } from './guards.ts'
import { Violation, type Ledger } from './ledger.ts'
import type { Scenario } from './model-run.ts'
import { createWorld, overwrites, type World } from './world.ts'

export type Client = Redis | Cluster

/** Exchanges a script for one with a guard taken out. */
export type Plant = (script: Script<never, unknown>) => Script<never, unknown>
const nothingPlanted: Plant = (script) => script

// A hair ahead of the server, so that a lease that has just run out is not taken for one that stands.
export const nowUs = (): number => Date.now() * 1000 + 1000

/** The source has read, and is slow to answer: this is where a load becomes stale. */
export const slowSource = (ms: number): Promise<void> => sleep(ms)

/** `runModel`, on a real Redis: one command at a time, in the chosen order, looked at after each. */
export async function runReal(
  scenario: Scenario,
  redis: Client,
  choose: (width: number) => number,
  plant: Plant = nothingPlanted,
): Promise<number> {
  const { keys, tags = ['t'], faults = false, skewUs = 0 } = scenario
  const world = createWorld({ guards: allGuards, skewUs, faults, keys, tags, now: nowUs })
  await clean(redis, keys, tags)
  scenario.start(world.add, world.client)
  let steps = 0
  try {
    for (let options = world.options(); options.length > 0; options = world.options()) {
      const option = options[choose(options.length)] as (typeof options)[number]
      const command = world.command(option)
      if (option.kind === 'give-up') await sleep(DEADLINE_MS + 5)
      if (option.kind === 'time-passes') await sleep(LEASE_MS + 5)
      const reply = command && (await execute(redis, world.ledger, command, plant))
      world.settle(option, reply)
      await inspect(redis, world, keys, tags, skewUs)
      steps++
    }
  } catch (error) {
    if (error instanceof Violation) error.message += `\n${world.trace.join('\n')}`
    throw error
  }
  return steps
}

async function clean(
  redis: Client,
  keys: readonly string[],
  tags: readonly string[],
): Promise<void> {
  await everyMaster(redis, (node) => setMaxmemory(node, '0'))
  for (const key of [...keys, ...keys.map(refreshLeaseKey), ...stampKeys(tags)])
    await redis.del(key)
}

async function setMaxmemory({ options }: Redis, bytes: string): Promise<void> {
  const { host = '127.0.0.1', port = 6379 } = options
  const raw = await openRawConnection({ host, port })
  await raw.send('CONFIG', 'SET', 'maxmemory', bytes)
  raw.close()
}

export async function everyMaster<T>(
  redis: Client,
  visit: (node: Redis) => Promise<T>,
): Promise<T[]> {
  const nodes = 'nodes' in redis ? redis.nodes('master') : [redis]
  return Promise.all(nodes.map(visit))
}

export async function execute(
  redis: Client,
  ledger: Ledger,
  command: Command,
  plant: Plant = nothingPlanted,
): Promise<unknown> {
  for (const key of overwrites(command)) ledger.listReplaced(key)
  switch (command.do) {
    case 'run':
      return runScript(redis, plant(command.script), command.request as never)
    case 'get':
      return text(redis, command.key)
    case 'stamps':
      return (await redis.mget(...command.keys)).map(Number)
    case 'scan':
      return scan(redis)
    case 'foreign-set':
      return redis.set(command.key, command.text)
    case 'foreign-delete':
      return redis.del(command.key)
    case 'foreign-list':
      ledger.released(command.key)
      ledger.listPlaced(command.key)
      await redis.del(command.key)
      return redis.rpush(command.key, 'x')
    case 'memory':
      return everyMaster(redis, (node) => setMaxmemory(node, command.full ? '1' : '0'))
    case 'load':
      return ledger.load(command.key)
    case 'change':
      return ledger.change(command.key)
  }
}

async function text(redis: Client, key: string): Promise<string | undefined> {
  try {
    return (await redis.get(key)) ?? undefined
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined
    throw error
  }
}

async function scan(redis: Client): Promise<string[]> {
  const found = await everyMaster(redis, async (node) => {
    const keys: string[] = []
    let cursor = '0'
    do {
      const [next, page] = await node.scan(cursor, 'MATCH', `${NAMESPACE}::*`, 'COUNT', 100)
      keys.push(...page)
      cursor = next
    } while (cursor !== '0')
    return keys
  })
  return found.flat()
}

async function inspect(
  redis: Client,
  world: World,
  keys: readonly string[],
  tags: readonly string[],
  skewUs: number,
): Promise<void> {
  const names = stampKeys(tags)
  const values = await redis.mget(...names)
  const stamps = stampsOf((key) => Number(values[names.indexOf(key)] ?? 0))
  for (const key of keys) {
    const type = await redis.type(key)
    const found = type === 'string' ? ((await redis.get(key)) ?? '') : ''
    world.ledger.sawText(key, found)
    world.ledger.sawText(refreshLeaseKey(key), (await redis.get(refreshLeaseKey(key))) ?? '')
    const seen = type === 'string' && found === '' ? 'none' : type
    world.ledger.check(
      key,
      { type: seen as 'none' | 'string' | 'list', text: found },
      stamps,
      skewUs,
    )
  }
}
