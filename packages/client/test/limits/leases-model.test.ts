import { type Connection, type EachScript, ownKey, shareConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  acquireLeaseScript,
  countLeasesScript,
  extendLeaseScript,
  releaseLeaseScript,
} from '../../src/limits/lua/concurrency-script.ts'
import { SEQUENCES, timeAt } from './injected-time.ts'

let server: TestRedis
let client: Redis
let connection: Connection
let subjects = 0

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
  connection = shareConnection(client, { deadline: '10s' })
})
afterAll(async () => {
  await connection.close()
  client.disconnect()
  await server.stop()
})

const acquire = acquireLeaseScript(timeAt(3))
const extend = extendLeaseScript(timeAt(2))
const release = releaseLeaseScript(timeAt(1))
const count = countLeasesScript(timeAt(0))

const LEASE = 1_000
const START = 1_763_600_000_000_000

const steps = fc.array(
  fc.record({
    act: fc.constantFrom('acquire', 'acquire', 'acquire', 'extend', 'release', 'count'),
    // Few ids, so that they are taken twice, and given back when they are gone.
    id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    gap: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: LEASE + 1 })),
    limit: fc.integer({ min: 1, max: 4 }),
  }),
  { minLength: 5, maxLength: 40 },
)
type Step = (typeof steps extends fc.Arbitrary<infer T> ? T : never)[number]

/** The ends of the leases that are held, told the simple way. */
function apply(held: Map<string, number>, { act, id, limit }: Step, now: number): unknown {
  for (const [each, end] of held) if (end <= now) held.delete(each)
  const ends = [...held.values()].toSorted((a, b) => a - b)
  const own = held.get(id)
  if (act === 'count') return [held.size, ends[0] ?? 0]
  if (act === 'release') return Number(held.delete(id))
  if (act === 'extend') {
    if (own === undefined) return 0
    held.set(id, now + LEASE)
    return now + LEASE
  }
  if (own !== undefined) return [1, held.size, 0, own]
  // When so many have run out that there is room for one more.
  const free = ends[held.size - limit]
  if (free !== undefined) return [0, held.size, free - now, free]
  held.set(id, now + LEASE)
  return [1, held.size, 0, now + LEASE]
}

describe('concurrency against its model', () => {
  it('gives out, keeps, extends and takes back the same places, by the microsecond', async () => {
    async function check(moves: readonly Step[]): Promise<void> {
      const key = ownKey('limit', `test:${subjects++}`, 'x')
      const held = new Map<string, number>()
      const ask = (script: EachScript, ...args: (string | number)[]): Promise<unknown> =>
        connection.scriptEach(script, key, args)
      let now = START
      for (const move of moves) {
        now += move.gap
        const { act, id, limit } = move
        const told = await {
          acquire: () => ask(acquire, id, limit, LEASE, now),
          extend: () => ask(extend, id, LEASE, now),
          release: () => ask(release, id, now),
          count: () => ask(count, now),
        }[act]()
        expect([move, told]).toEqual([move, apply(held, move, now)])
      }
    }
    const sequences = fc.array(steps, { minLength: 100, maxLength: 100, size: 'max' })
    await fc.assert(
      fc.asyncProperty(sequences, async (each) => {
        await Promise.all(each.map(check))
      }),
      { numRuns: SEQUENCES / 100, endOnFailure: true },
    )
  })
})
