import { isCorralError, shareConnection, systemClock, type Connection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { entryIdentity, leaseText } from '../../src/protocol/wire-entry.ts'
import { createMemoryStructures } from '../../src/structures/memory-structures.ts'
import { createRemoteStructures } from '../../src/structures/remote-structures.ts'
import type { StructureStore } from '../../src/structures/structure-store.ts'
import { createMemoryTier } from '../../src/tiers/memory-tier.ts'
import { createRemoteTier } from '../../src/tiers/remote-tier.ts'
import type { Tier, TierFill } from '../../src/tiers/tier.ts'

const key = 'n::list'
const leaseKey = 'corral:lease:{n::list}'
const identity = leaseText('token', 5)
const tail = ',"value":1}'
const more = { ttlMs: 1_000, at: 5, tail, beside: undefined }
const counting = { by: 1, ttlMs: 1_000, renew: 'create', stamp: 0, skewUs: 0 } as const

function store(tier: Tier, given: TierFill): Promise<boolean> {
  return tier.fill(given)
}

/** Each call at a key that holds a list: what it gives, and what is left there. */
const table: [string, (tier: Tier) => Promise<unknown>, unknown, string[] | 'WRONG_TYPE'][] = [
  ['get', (tier) => tier.get(key), null, ['a']],
  ['getMany', (tier) => tier.getMany([key, 'n::none']), [null, null], ['a']],
  ['fill', (tier) => store(tier, { redisKey: key, identity, ...more }), 'WRONG_TYPE', ['a']],
  ['remove', (tier) => tier.remove(key, identity), 'WRONG_TYPE', ['a']],
  ['extend', (tier) => tier.extend(key, identity, 1_000), 'WRONG_TYPE', ['a']],
  ['lease', (tier) => tier.lease(key, 'token', 1_000, ''), 'WRONG_TYPE', ['a']],
  ['lease in place', (tier) => tier.lease(key, 'token', 1_000, identity), 'WRONG_TYPE', ['a']],
  ['refresh', (tier) => tier.refresh(key, 'token', 1_000, identity), 'WRONG_TYPE', ['a']],
  ['increment', (tier) => tier.increment(key, counting), 'WRONG_TYPE', ['a']],
  ['expire', (tier) => tier.expire(key, 60_000), true, ['a']],
  ['set', async (tier) => void (await tier.set(key, tail, 1_000)), undefined, 'WRONG_TYPE'],
  [
    'setMany',
    (tier) => tier.setMany([{ redisKey: key, tail, ttlMs: 1_000 }]),
    [true],
    'WRONG_TYPE',
  ],
  ['deleteMany', (tier) => tier.deleteMany([key]), [true], []],
]

const told = (call: Promise<unknown>): Promise<unknown> =>
  call.catch((error: unknown) => (isCorralError(error) ? error.code : error))

describe.each(['remote', 'memory'] as const)('a list where %s looks for an entry', (kind) => {
  let server: TestRedis
  let client: Redis
  let connection: Connection
  let tier: Tier
  let structures: StructureStore

  beforeAll(async () => {
    server = await startRedis()
    client = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
  })
  afterAll(async () => {
    client.disconnect()
    await server.stop()
  })
  beforeEach(async () => {
    await server.command('FLUSHALL')
    const memory = createMemoryTier(systemClock)
    connection = shareConnection(client, { deadline: '5s' })
    tier = kind === 'memory' ? memory : createRemoteTier(connection)
    structures =
      kind === 'memory' ? createMemoryStructures(memory.cells) : createRemoteStructures(connection)
    await structures.write(key, 'RPUSH', ['a'], 60_000)
    return () => connection.close()
  })

  const left = (): Promise<unknown> => told(structures.read(key, 'LRANGE', ['0', '-1']))

  it.each(table)('%s', async (_name, call, gives, leaves) => {
    expect(await told(call(tier))).toEqual(gives)
    expect(await left()).toEqual(leaves)
  })

  it('a fill that finds it gives its lease beside it back all the same', async () => {
    await tier.set(leaseKey, tail, 60_000)
    const beside = { key: leaseKey, identity: entryIdentity((await tier.get(leaseKey)) as string) }
    const filled = store(tier, { redisKey: key, identity, ...more, beside })
    expect(await told(filled)).toBe('WRONG_TYPE')
    expect(await tier.get(leaseKey)).toBeNull()
    expect(await left()).toEqual(['a'])
  })

  it('a fill is not kept from its place by a list where its lease was', async () => {
    await tier.set('n::k', tail, 60_000)
    const entry = entryIdentity((await tier.get('n::k')) as string)
    const beside = { key, identity }
    const filled = store(tier, { redisKey: 'n::k', identity: entry, ...more, at: 7, beside })
    expect(await told(filled)).toBe(true)
    expect(String(await tier.get('n::k'))).toContain('"at":7,')
    expect(await left()).toEqual(['a'])
  })
})
