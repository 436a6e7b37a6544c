import {
  monitor,
  startProxy,
  startRedis,
  waitFor,
  type FaultProxy,
  type Monitor,
  type TestRedis,
} from '@corral/testing'
import { shareConnection } from '@corral/connection'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCache, type Cache } from '../../src/index.ts'
import { turn } from './machine-clock.ts'
import { figure } from './scale.ts'

let server: TestRedis
let signalsProxy: FaultProxy
let client: Redis
let plain: Cache
let near: Cache
let watching: Monitor

beforeEach(async () => {
  server = await startRedis()
  signalsProxy = await startProxy({ target: server })
  client = new Redis(server.port, server.host, { socketTimeout: 15_000 })
  const duplicate = client.duplicate.bind(client)
  client.duplicate = (changes) => duplicate({ ...changes, port: signalsProxy.port })
  const connection = shareConnection(client, { deadline: '5s', onWarning: () => {} })
  plain = createCache({ connection, namespace: 'plain' })
  near = createCache({ connection, namespace: 'near', near: {} })
  for (const cache of [plain, near]) {
    // Scripts are known to the server, stamps to the caches.
    await cache.getOrSet('warm-up', () => 1, { tags: ['t'] })
    await cache.set('warm-up', 1)
    await cache.delete('warm-up')
    await cache.invalidateTags(['other'])
  }
  await near.connection?.signals.whenOn(5_000)
  for (const cache of [plain, near]) {
    for (let i = 0; i < 64; i++) await cache.set(`k${i}`, i)
    await cache.set('tagged', 1, { tags: ['t'] })
    await cache.get('tagged')
    await cache.get('k0')
  }
  await waitFor(async () => (await near.get('k0'), near.peek('k0') !== undefined))
  watching = await monitor(server)
})
afterEach(async () => {
  await watching.close()
  await Promise.all([plain.close(), near.close()])
  client.disconnect()
  await signalsProxy.close()
  await server.stop()
})

/** What this process sent for a call, without its looks at the server's clock and health. */
async function commandsOf(name: string, call: () => Promise<unknown>): Promise<string[]> {
  const [, address = ''] = /addr=(\S+)/.exec(await client.client('INFO')) ?? []
  await watching.clear()
  await call()
  const sent = await watching.commands({ client: address })
  const names = sent
    .map((command) => command.name)
    .filter((command) => !['TIME', 'PING', 'INFO', 'CLIENT', 'DBSIZE'].includes(command))
  const inside = (await watching.commands({ lua: true })).filter((command) => command.lua)
  figure(`commands, ${name}`, {
    sent: names.join(' ') || 'none',
    'inside scripts': inside.map((command) => command.name).join(' ') || 'none',
  })
  return names
}

describe('commands', () => {
  it('a remote hit: one, and one for 64 at once', async () => {
    expect(await commandsOf('remote hit', () => plain.get('k1'))).toHaveLength(1)
    expect(await commandsOf('remote hit, tagged', () => plain.get('tagged'))).toHaveLength(1)
    expect(
      await commandsOf('remote hit by getOrSet', () => plain.getOrSet('k1', () => 'unused')),
    ).toHaveLength(1)
    const all = await commandsOf('64 remote hits at once', async () => {
      const values = await Promise.all(Array.from({ length: 64 }, (_, i) => plain.get(`k${i}`)))
      expect(values).toEqual(Array.from({ length: 64 }, (_, i) => i))
    })
    expect(all).toHaveLength(1)
  })

  it('a near hit: none', async () => {
    const sent = await commandsOf('near hit', async () => {
      expect(await near.get('k0')).toBe(0)
      expect(near.peek('k0')).toBe(0)
      expect(await near.getOrSet('k0', () => 'unused')).toBe(0)
    })
    expect(sent).toEqual([])
  })

  it('a miss with its fill: three at most, also where a dead entry stands', async () => {
    for (const cache of [plain, near]) {
      const stored = async (value: string): Promise<void> => {
        const before = (await cache.stats()).sets
        expect(await cache.getOrSet('absent', () => value, { tags: ['t'] })).toBe(value)
        await waitFor(async () => (await cache.stats()).sets > before, { interval: 1 })
      }
      const { namespace } = cache
      const absent = await commandsOf(`miss and fill, ${namespace}`, () => stored('loaded'))
      expect(absent).toHaveLength(3)
      await cache.set('beside', 1, { tags: ['t'] })
      await cache.invalidateTags(['t'])
      // What this process did itself is told to it as well; after that its stamp is asked for once.
      await cache.set('beside', 2, { tags: ['t'] })
      for (let i = 0; i < 20; i++) {
        await cache.get('beside')
        await turn()
      }
      const dead = await commandsOf(`miss on a dead entry, ${namespace}`, () => stored('anew'))
      expect(dead).toHaveLength(3)
      expect(await cache.get('absent')).toBe('anew')
    }
  })

  it('changes: one each', async () => {
    expect(await commandsOf('set', () => plain.set('k1', 2))).toHaveLength(1)
    expect(await commandsOf('delete', () => plain.delete('k1'))).toHaveLength(1)
    expect(await commandsOf('invalidate a tag', () => plain.invalidateTags(['t']))).toHaveLength(1)
  })

  it('with signals lost: two at most for a tagged read, one without tags', async () => {
    signalsProxy.reset()
    await signalsProxy.refuse(true)
    await waitFor(() => near.connection?.signals.state === 'lost', { what: 'the loss' })
    for (const cache of [plain, near]) {
      const tagged = await commandsOf(`tagged read, signals lost, ${cache.namespace}`, async () => {
        expect(await cache.get('tagged')).toBe(1)
      })
      expect(tagged.length).toBeLessThanOrEqual(2)
      const untagged = await commandsOf(`read, signals lost, ${cache.namespace}`, async () => {
        expect(await cache.get('k1')).toBe(1)
      })
      expect(untagged).toHaveLength(1)
    }
  })
})
