import { openConnection, type OwnedConnection } from '@corral/connection'
import { monitor, recordTrace, startRedis, type TestRedis } from '@corral/testing'
import { createKeyv as createKeyvRedis } from '@keyv/redis'
import { keyvIteratorTests, keyvTestSuite } from './keyv-suite.ts'
import { Redis } from 'ioredis'
import { Keyv, type KeyvStoreAdapter } from 'keyv'
import { Keyv as Keyv6 } from 'keyv-6'
import * as vitest from 'vitest'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createKeyv, createKeyvStore, type KeyvStore } from '../../src/adapters/keyv/index.ts'
import { createCache, type Cache } from '../../src/index.ts'

let server: TestRedis
let connection: OwnedConnection
const stores: KeyvStore[] = []

function storeOf(namespace?: string): KeyvStore {
  const store = createKeyvStore({ connection, ...(namespace !== undefined && { namespace }) })
  stores.push(store)
  return store
}

beforeAll(async () => {
  server = await startRedis()
  connection = openConnection(server.url, { deadline: '5s' })
})

afterAll(async () => {
  await Promise.all(stores.map((store) => store.disconnect()))
  await connection.close()
  await server.stop()
})

const raw = async (key: string): Promise<string | null> =>
  (await server.command('GET', key)) as string | null

describe("Keyv's own suite", () => {
  keyvTestSuite(vitest, Keyv, () => storeOf('suite'))
  keyvIteratorTests(vitest, Keyv, () => storeOf('suite'))
})

describe("Keyv's own suite, with a near cache", () => {
  const near = (): KeyvStore => {
    const store = createKeyvStore({ connection, namespace: 'near', near: true })
    stores.push(store)
    return store
  }
  keyvTestSuite(vitest, Keyv, near)
  keyvIteratorTests(vitest, Keyv, near)
})

describe('the near cache of the store', () => {
  it('answers without Redis and follows what redis-cli, the cache and the store change', async () => {
    const store = createKeyvStore({ connection, namespace: 'shop', near: { ttl: 60_000 } })
    const cache = createCache({ connection, namespace: 'shop' })
    await server.command('SET', 'shop::a', '{"value":1}')
    const commands = async (call: () => Promise<unknown>): Promise<number> => {
      await using watch = await monitor(server)
      await call()
      return (await watch.commands()).filter(({ name }) => name === 'MGET').length
    }
    // Signals are on once a read is kept.
    await vi.waitFor(async () => {
      await store.get('a')
      expect(await commands(() => store.get('a'))).toBe(0)
    })
    expect(await store.get('a')).toBe('{"value":1}')

    await server.command('SET', 'shop::a', '{"value":2}')
    await vi.waitFor(async () => expect(await store.get('a')).toBe('{"value":2}'))
    await cache.set('a', 3)
    await vi.waitFor(async () => expect(await store.get('a')).toContain('"value":3'))
    await store.set('a', '{"value":4}')
    expect(await store.get('a')).toBe('{"value":4}')
    await store.clear()
    expect(await store.get('a')).toBeUndefined()
    await cache.close()
    await store.disconnect()
  })

  it("keeps what Corral's cache wrote, until it ends or is invalidated", async () => {
    const store = createKeyvStore({ connection, namespace: 'shop', near: { ttl: 60_000 } })
    const cache = createCache({ connection, namespace: 'shop' })
    await cache.set('a', 1, '1h')
    const text = await raw('shop::a')
    // Signals are on once a read is kept.
    await vi.waitFor(async () => {
      expect(await store.get('a')).toBe(text)
      await using watch = await monitor(server)
      expect(await store.get('a')).toBe(text)
      expect((await watch.commands()).filter(({ name }) => name === 'MGET')).toEqual([])
    })
    await cache.clear()
    await vi.waitFor(async () => expect(await store.get('a')).toBeUndefined())
    await cache.set('a', 2, '1s')
    await vi.waitFor(async () => expect(await store.get('a')).toContain('"value":2'))
    // Redis does not remove it, so that nobody tells when it ends.
    await server.command('PERSIST', 'shop::a')
    await store.get('a')
    const gone = async (): Promise<void> => expect(await store.get('a')).toBeUndefined()
    await vi.waitFor(gone, { timeout: 5_000 })
    await cache.close()
    await store.disconnect()
  })
})

describe("Keyv's own suite, the namespace left to Keyv", () => {
  keyvTestSuite(vitest, Keyv, () => storeOf())
  keyvIteratorTests(vitest, Keyv, () => storeOf())
})

const values: readonly unknown[] = [
  'text',
  ':colon',
  '',
  null,
  0,
  false,
  { a: [1, ':x', { b: null }] },
  Buffer.from('bytes'),
  { nested: Buffer.from('bytes') },
]

describe.each([
  ['Keyv 5', (store: KeyvStore) => new Keyv({ store, namespace: 'shop', useKeyPrefix: false })],
  ['Keyv 6', (store: KeyvStore) => new Keyv6({ store, namespace: 'shop' }) as unknown as Keyv],
])('%s', (_name, keyvOn) => {
  let keyv: Keyv
  let theirs: Keyv
  let cache: Cache
  beforeAll(() => {
    theirs = createKeyvRedis(server.url, { namespace: 'shop' })
    cache = createCache({ connection, namespace: 'shop' })
  })
  beforeEach(async () => {
    await server.command('FLUSHALL')
    keyv = keyvOn(storeOf('shop'))
  })
  afterAll(async () => {
    await theirs.disconnect()
    await cache.close()
  })

  it.each(values)('shares %j with @keyv/redis and with the cache, both ways', async (value) => {
    await keyv.set('k', value, 60_000)
    expect(await raw('shop::k')).not.toBeNull()
    expect(Number(await server.command('PTTL', 'shop::k'))).toBeGreaterThan(50_000)
    expect(await theirs.get('k')).toEqual(value)
    expect(await cache.get('k')).toEqual(value)

    await theirs.set('k', value, 60_000)
    expect(await keyv.get('k')).toEqual(value)
    await cache.set('k', value, '1m')
    expect(await keyv.get('k')).toEqual(value)
    expect(await keyv.getMany(['k', 'absent'])).toEqual([value, undefined])
    expect(await keyv.has('k')).toBe(true)
  })

  it('deletes and clears what the others wrote, and nothing else', async () => {
    await server.command('SET', 'bull:q:id', '1')
    await server.command('SET', 'shop:child::k', '{"value":1}')
    await server.command('SET', 'shopper::k', '{"value":1}')
    await theirs.set('a', 1)
    await cache.set('b', 2)
    expect(await keyv.delete('a')).toBe(true)
    expect(await keyv.delete('a')).toBe(false)
    expect(await theirs.get('a')).toBeUndefined()
    for (let i = 0; i < 250; i++) void theirs.set(`many:${i}`, i)
    await theirs.set('last', 1)
    await keyv.clear()
    expect(await cache.get('b')).toBeUndefined()
    const left = (await server.command('KEYS', '*')) as string[]
    expect(left.filter((key) => !key.startsWith('corral:')).toSorted()).toEqual([
      'bull:q:id',
      'shop:child::k',
      'shopper::k',
    ])
  })

  it('iterates over what all of them wrote, with keys as they were given', async () => {
    await theirs.set('a', 1)
    await cache.set('b:c d', 2)
    await keyv.set('e', 3, 60_000)
    await server.command('SET', 'shop::leased', '{"lease":"x","at":1}')
    const found: [string, unknown][] = []
    for await (const [key, value] of keyv.iterator?.(undefined) ?? []) found.push([key, value])
    expect(found.toSorted(([a], [b]) => a.localeCompare(b))).toEqual([
      ['a', 1],
      ['b:c d', 2],
      ['e', 3],
    ])
  })

  it('sets many, and keeps an entry without end where no time is given', async () => {
    await keyv.setMany([
      { key: 'a', value: 1, ttl: 60_000 },
      { key: 'b', value: 2 },
    ])
    expect(await keyv.getMany(['a', 'b'])).toEqual([1, 2])
    expect(Number(await server.command('PTTL', 'shop::a'))).toBeGreaterThan(50_000)
    expect(await server.command('PTTL', 'shop::b')).toBe(-1)
    expect(await keyv.delete(['a', 'b'])).toSatisfy((gone) => [gone].flat().every(Boolean))
    expect(await keyv.getMany(['a', 'b'])).toEqual([undefined, undefined])
  })

  it('leaves the connection open when it is disconnected', async () => {
    await keyv.set('a', 1)
    await keyv.disconnect()
    expect(await connection.get('shop::a')).toContain('"value":1')
  })

  it('misses and tells when Redis is away, listened to or not', async () => {
    await keyv.set('a', 1)
    connection.isolate()
    try {
      expect(await keyv.get('a')).toBeUndefined()
      expect(await keyv.getMany(['a', 'b'])).toEqual([undefined, undefined])
      expect(await keyv.has('a')).toBe(false)
      const heard = vi.fn()
      keyv.on('error', heard)
      expect(await keyv.get('a')).toBeUndefined()
      expect(await keyv.set('a', 2)).toBe(false)
      expect(await keyv.delete('a')).toBe(false)
      await keyv.clear()
      expect(heard.mock.calls.map(([error]) => (error as { code: string }).code)).toEqual(
        Array.from({ length: 4 }, () => 'REDIS_UNAVAILABLE'),
      )
    } finally {
      connection.reset()
    }
    expect(await keyv.get('a')).toBe(1)
  })
})

describe('the store', () => {
  beforeEach(async () => void (await server.command('FLUSHALL')))

  it('sees a lease, a stale and an unreadable entry as a miss, a counter as a number', async () => {
    const store = storeOf('shop')
    await server.command('SET', 'shop::lease', '{"lease":"x","at":1}')
    await server.command('SET', 'shop::newer', '{"c":2,"at":1,"value":1}')
    await server.command('SET', 'shop::count', '41')
    const cache = createCache({ connection, namespace: 'shop' })
    await cache.set('stale', 1, '1h')
    const text = (await raw('shop::stale')) ?? ''
    await server.command('SET', 'shop::stale', text.replace(',"value"', ',"stale":3660000,"value"'))
    expect(await raw('shop::stale')).toContain('"stale"')
    expect(await store.getMany(['lease', 'newer', 'stale', 'count'])).toEqual([
      undefined,
      undefined,
      undefined,
      '{"value":41}',
    ])
    expect(await store.hasMany(['lease', 'count'])).toEqual([false, true])
    await server.command('SET', 'shop::moved', text)
    expect(await store.get('moved')).toBeUndefined()
    await cache.close()
  })

  it('does not serve what a stamp has killed', async () => {
    const store = storeOf('shop')
    const cache = createCache({ connection, namespace: 'shop' })
    await cache.set('a', 1)
    expect(await store.has('a')).toBe(true)
    await server.command('SET', 'corral:stamp:{shop}', `${(Date.now() + 1_000) * 1_000}`)
    await vi.waitFor(async () => expect(await store.get('a')).toBeUndefined())
    expect(await raw('shop::a')).not.toBeNull()
    await cache.close()
  })

  it('refuses to work without a namespace', async () => {
    const store = storeOf()
    await server.command('SET', 'bull:q:id', '1')
    await expect(store.clear()).rejects.toThrow('namespace')
    await expect(store.get('bull:q:id')).rejects.toThrow('namespace')
    await expect(store.delete('bull:q:id')).rejects.toThrow('namespace')
    expect(await raw('bull:q:id')).toBe('1')
    store.namespace = 'late'
    await store.set('a', '{"value":1}')
    expect(await raw('late::a')).toBe('{"value":1}')
  })

  it('is an adapter by its type too', async () => {
    const adapter: KeyvStoreAdapter = storeOf('shop')
    const keyv = new Keyv(adapter)
    expect(await keyv.set('a', 1)).toBe(true)
    expect(await keyv.get('a')).toBe(1)
  })

  it('keeps its namespace when Keyv 5 has no name of its own', async () => {
    const keyv = new Keyv({ store: storeOf('shop') })
    await keyv.set('a', 1)
    expect(await server.command('KEYS', '*')).toEqual(['shop::keyv:a'])
    const direct = createKeyv({ connection, namespace: 'shop', ttl: 60_000 })
    await direct.set('b', 1)
    expect(JSON.parse((await raw('shop::b')) ?? '')).toEqual({
      value: 1,
      expires: expect.any(Number),
    })
    await direct.disconnect()
  })

  it.each([
    ['a namespace with a glob', { namespace: 'a*' }],
    ["BullMQ's namespace", { namespace: 'bull' }],
    ['an unknown option', { namespace: 'a', prefix: 'x' }],
    ['a negative ttl', { namespace: 'a', ttl: -1 }],
    ['a ttl in words', { namespace: 'a', ttl: '1h' }],
    ['a near cache of a wrong kind', { namespace: 'a', near: 'yes' }],
    ['a wrong option of the near cache', { namespace: 'a', near: { max: 1 } }],
    ['a share of memory that is none', { namespace: 'a', maxMemoryShare: 2 }, RangeError],
    ['a wrong onError', { namespace: 'a', onError: 'ignore' }],
  ])('refuses %s', (_name, wrong, kind: new () => Error = TypeError) => {
    expect(() => createKeyvStore({ connection, ...wrong } as never)).toThrow(kind)
  })

  it('refuses a namespace with a glob from Keyv', () => {
    expect(() => new Keyv({ store: storeOf('shop'), namespace: 'a*' })).toThrow('namespace')
  })

  it('tells listeners what failed, and from where', async () => {
    using trace = recordTrace(['error'], 'corral:core:')
    const store = storeOf('shop')
    connection.isolate()
    try {
      expect(await store.get('a')).toBeUndefined()
      expect(await store.set('a', '{"value":1}')).toBe(false)
    } finally {
      connection.reset()
    }
    const told = trace.of('error') as { source: unknown }[]
    const of = { source: { kind: 'cache', name: 'shop' }, namespace: 'shop' }
    expect(told).toEqual([
      { ...of, operation: 'get', code: 'REDIS_UNAVAILABLE', reason: 'isolated' },
      { ...of, operation: 'set', code: 'REDIS_UNAVAILABLE', reason: 'isolated' },
    ])
    expect(told[1]?.source).toBe(told[0]?.source)
  })

  it('treats fractions, negative and endless times as what they mean', async () => {
    const store = storeOf('shop')
    expect(await store.set('a', '{"value":1}', 60_000.5)).toBe(true)
    expect(Number(await server.command('PTTL', 'shop::a'))).toBeGreaterThan(50_000)
    expect(await store.set('a', '{"value":1}', -5)).toBe(true)
    expect(await raw('shop::a')).toBeNull()
    expect(await store.set('a', '{"value":1}', Infinity)).toBe(true)
    expect(await server.command('PTTL', 'shop::a')).toBe(-1)
    await expect(store.set('a', '{"value":1}', Number.NaN)).rejects.toThrow('ttl')
    await expect(store.set('a', { value: 1 })).rejects.toThrow('serializer')
  })

  it('stores nothing on a full Redis, and takes the older value away', async () => {
    const store = storeOf('shop')
    const heard = vi.fn()
    store.on('error', heard)
    await store.set('a', '{"value":1}')
    await store.set('b', '{"value":1}')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      expect(await store.set('a', '{"value":2}')).toBe(false)
      expect(await store.get('a')).toBeUndefined()
      expect(await store.set('c', '{"value":2}')).toBe(false)
      expect(await store.get('b')).toBe('{"value":1}')
      expect(heard.mock.calls.map(([error]) => (error as { code: string }).code)).toEqual([
        'REDIS_FULL',
        'REDIS_FULL',
      ])
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', '0')
    }
    await vi.waitFor(async () => expect(await store.set('a', '{"value":3}')).toBe(true), {
      timeout: 15_000,
    })
  })

  it('refuses a value over the limit', async () => {
    const store = storeOf('shop')
    await store.set('a', '{"value":1}')
    expect(await store.set('a', `{"value":"${'x'.repeat(1_100_000)}"}`)).toBe(false)
    expect(await store.get('a')).toBeUndefined()
  })

  it('rejects under onError: throw', async () => {
    const store = createKeyvStore({ connection, namespace: 'shop', onError: 'throw' })
    connection.isolate()
    try {
      for (const call of [
        () => store.get('a'),
        () => store.getMany(['a']),
        () => store.set('a', '{"value":1}'),
        () => store.delete('a'),
        () => store.deleteMany(['a']),
        () => store.clear(),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
      }
    } finally {
      connection.reset()
    }
    await store.disconnect()
  })

  it('shares commands among the calls of one tick', async () => {
    const store = storeOf('shop')
    await store.set('warm', '{"value":1}')
    await store.delete('warm')
    await using watch = await monitor(server)
    const keys = Array.from({ length: 90 }, (_, index) => `k${index}`)
    await store.setMany(keys.map((key) => ({ key, value: '{"value":1}', ttl: 60_000 })))
    await store.getMany(keys)
    await Promise.all(keys.map((key) => store.get(key)))
    expect(await store.deleteMany(keys)).toBe(true)
    const names = (await watch.commands())
      .map(({ name }) => name)
      .filter((name) => name !== 'TIME' && name !== 'PING')
    expect(names).toEqual(['EVALSHA', 'MGET', 'MGET', 'EVALSHA'])
  })

  it("leaves BullMQ's ioredis open", async () => {
    const client = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
    const keyv = createKeyv({ connection: client, namespace: 'shop' })
    await keyv.set('a', 1)
    await keyv.disconnect()
    expect(client.status).toBe('ready')
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
  })
})
