import { startRedis, type TestRedis } from '@corral/testing'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeEntry, isDead } from '../../src/protocol/index.ts'
import { step, type Flow } from './model/command.ts'
import {
  loader,
  NAMESPACE,
  refresher,
  stampKeys,
  stampsOf,
  writer,
  type Change,
  type Client as Process,
} from './model/flows.ts'
import { allGuards, type Guard } from './model/guards.ts'
import { createLedger, Violation } from './model/ledger.ts'
import { plantedLua } from './model/planted-lua.ts'
import { execute, nowUs, slowSource, type Client, type Plant } from './model/real-run.ts'

const KEYS = Array.from({ length: 6 }, (_, i) => `${NAMESPACE}::${i}`)
const CHANGES: readonly Change[] = [
  'set',
  'delete',
  'tag',
  'clear',
  'foreign-set',
  'foreign-delete',
]

/** A small generator with a seed, so that a failure can be run again. */
function createRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0
    return ((state ^ (state >>> 13)) >>> 0) % below
  }
}

/** What is read must be no older than what was invalidated before the read began. */
function* reader(process: Process, key: string): Flow {
  const floors = process.ledger.floors(key)
  const text = yield* step<string | undefined>({ do: 'get', key })
  if (text === undefined) return
  const names = stampKeys(process.tags)
  const values = yield* step<number[]>({ do: 'stamps', keys: names })
  const decoded = decodeEntry(text, key)
  if (decoded.kind !== 'entry') return
  const stamps = stampsOf((name) => values[names.indexOf(name)] ?? 0)
  if (isDead(decoded, stamps, process.skewUs)) return
  const { v } = decoded.value as { v: number }
  const floor = decoded.loadedAt === undefined ? floors.foreign : floors.own
  if (v < floor)
    throw new Violation(`${key}: read version ${v}, invalidated below ${floor}: ${text}`)
}

interface Run {
  readonly connect: () => Client
  readonly clients: number
  readonly commands: number
  readonly skewUs: number
  readonly seed: number
  readonly plant?: Plant
}

/** Clients that never wait for each other. Returns how many commands they sent, and how many loads there were. */
async function runFreely({ connect, clients, commands, skewUs, seed, plant }: Run) {
  const ledger = { ...createLedger(), leaseGranted: () => undefined }
  const random = createRandom(seed)
  let sent = 0
  let loads = 0
  let failure: unknown

  const drive = async (redis: Client, flow: Flow): Promise<void> => {
    let next = flow.next()
    while (!next.done && failure === undefined) {
      sent++
      const reply = await execute(redis, ledger, next.value, plant)
      if (next.value.do === 'load') {
        loads++
        await slowSource(random(3))
      }
      next = flow.next(reply)
    }
  }
  const work = async (redis: Client, own: readonly string[]): Promise<void> => {
    const pending: Promise<void>[] = []
    const process: Process = {
      ledger,
      guards: allGuards,
      skewUs,
      tags: ['t'],
      keys: KEYS,
      known: new Map(),
      unsure: true,
      now: nowUs,
      spawn: (_, flow) => pending.push(drive(redis, flow)),
    }
    while (sent < commands && failure === undefined) {
      const key = KEYS[random(KEYS.length)] as string
      const flows = [
        reader(process, key),
        loader(process, key),
        reader(process, KEYS[random(KEYS.length)] as string),
        random(4) === 0 ? refresher(process, key) : loader(process, key, 'fails'),
      ]
      const mine = own[random(own.length)]
      if (mine && random(2) === 0) {
        flows.push(writer(process, [[CHANGES[random(CHANGES.length)] as Change, mine]]))
      }
      await Promise.all(flows.map((flow) => drive(redis, flow)))
      await Promise.all(pending.splice(0))
    }
  }
  const connections = Array.from({ length: clients }, connect)
  try {
    await Promise.all(
      connections.map(async (redis, i) => {
        // One writer per key: two would race for the source before they race for Redis.
        const own = KEYS.filter((_, n) => n % clients === i)
        try {
          await work(redis, own)
        } catch (error) {
          failure ??= error
        }
      }),
    )
  } finally {
    for (const redis of connections) redis.disconnect()
  }
  if (failure !== undefined) throw failure
  return { sent, loads }
}

describe.each([
  ['one server', 'standalone', 0, 60_000],
  ['a cluster', 'cluster', 250_000, 30_000],
] as const)('clients that never wait for each other, on %s', (_, mode, skewUs, commands) => {
  let server: TestRedis
  beforeAll(async () => {
    server = await startRedis({ mode })
  })
  afterAll(() => server.stop())
  const connect = (): Client =>
    mode === 'cluster'
      ? new Cluster(server.nodes.map(({ host, port }) => ({ host, port })))
      : new Redis(server.url)

  test('never read what was invalidated before', async () => {
    const seed = Date.now() % 1_000_000
    const ran = await runFreely({ connect, clients: 6, commands, skewUs, seed }).catch((error) => {
      throw new Error(`seed ${seed}`, { cause: error })
    })
    expect(ran.sent).toBeGreaterThanOrEqual(commands)
    expect(ran.loads).toBeGreaterThan(commands / 100)
  })

  const visible: readonly Guard[] = ['fill-needs-lease', 'delete-breaks-lease', 'loaded-at-lease']
  test.each(plantedLua.filter(([guard]) => visible.includes(guard)))(
    'the checker notices the lack of %s',
    async (__, plant) => {
      const run = runFreely({ connect, clients: 6, commands: 200_000, skewUs: 0, seed: 7, plant })
      await expect(run).rejects.toThrow(Violation)
    },
  )
})
