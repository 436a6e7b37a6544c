import { openConnection, type OwnedConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { createCache as createReference } from 'cache-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCacheManager } from '../../src/adapters/cache-manager/index.ts'
import { checkBehaviour, type Make } from './cache-manager-behaviour.ts'

let server: TestRedis
let connection: OwnedConnection

beforeAll(async () => {
  server = await startRedis()
  connection = openConnection(server.url, { deadline: '5s' })
})

afterAll(async () => {
  await connection.close()
  await server.stop()
})

beforeEach(async () => {
  await server.command('FLUSHALL')
})

const namespace = 'shop'
const makers: readonly (readonly [string, Make])[] = [
  ["cache-manager's own, in memory", (settings) => createReference(settings)],
  ['createCacheManager', (settings) => createCacheManager({ connection, namespace, ...settings })],
  [
    'createCacheManager with a near cache',
    (settings) => createCacheManager({ connection, namespace, near: true, ...settings }),
  ],
]

describe.each(makers)('%s', (_name, make) => {
  checkBehaviour(make, () => connection)
})

describe('on Redis', () => {
  it.each(makers.slice(1))('%s writes at <namespace>::<key>', async (_name, make) => {
    const cache = make({ ttl: 60_000 })
    await cache.set('user:1', { name: 'Ada' })
    expect(await server.command('KEYS', '*user*')).toEqual(['shop::user:1'])
    expect(Number(await server.command('PTTL', 'shop::user:1'))).toBeGreaterThan(50_000)
    await cache.disconnect()
  })

  it.each(makers.slice(1))('%s does without Redis while it is away', async (_name, make) => {
    const cache = make({ ttl: 60_000 })
    connection.isolate()
    try {
      expect(await cache.set('a', 1)).toBe(1)
      expect(await cache.get('a')).toBeUndefined()
      expect(await cache.mget(['a'])).toEqual([undefined])
      expect(await cache.ttl('a')).toBeUndefined()
      expect(await cache.wrap('a', () => 2)).toBe(2)
      expect(await cache.del('a')).toBe(true)
    } finally {
      connection.reset()
    }
    await cache.disconnect()
  })

  it('ends an entry after an hour unless told otherwise', async () => {
    const cache = createCacheManager({ connection, namespace })
    await cache.set('a', 1)
    expect(Math.abs(Number(await server.command('PTTL', 'shop::a')) - 3_600_000)).toBeLessThan(
      10_000,
    )
    await cache.disconnect()
  })

  it('refuses wrong options', () => {
    expect(() => createCacheManager({ connection } as never)).toThrow('namespace')
    expect(() => createCacheManager({ connection, namespace, ttl: '1h' } as never)).toThrow('ttl')
    expect(() => createCacheManager(undefined as never)).toThrow(TypeError)
  })
})
