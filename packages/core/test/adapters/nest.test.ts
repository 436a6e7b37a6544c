import 'reflect-metadata'
import { openConnection, type OwnedConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { CACHE_MANAGER, CacheModule, type CacheManagerOptions } from '@nestjs/cache-manager'
import type { INestApplicationContext } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Queue } from 'bullmq'
import type { Cache as CacheManager } from 'cache-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { asCacheManager, createCacheManager } from '../../src/adapters/cache-manager/index.ts'
import { createKeyvStore } from '../../src/adapters/keyv/index.ts'
import { createCache } from '../../src/index.ts'

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

// oxlint-disable-next-line typescript/no-extraneous-class -- Nest names modules by classes
class Root {}

async function appWith(options: CacheManagerOptions): Promise<INestApplicationContext> {
  const root = { module: Root, imports: [CacheModule.register(options)] }
  return NestFactory.createApplicationContext(root, { logger: false, abortOnError: false })
}

const namespace = 'shop'
type Stores = NonNullable<CacheManagerOptions['stores']>

describe("Nest's CacheModule", () => {
  it.each<[string, () => Stores]>([
    ['a Keyv store', () => [createKeyvStore({ connection, namespace })]],
    [
      'the stores of createCacheManager',
      () => createCacheManager({ connection, namespace, ttl: 60_000 }).stores,
    ],
    [
      'the stores of asCacheManager',
      () => asCacheManager(createCache({ connection, namespace })).stores,
    ],
  ])(
    'takes %s, and leaves the connection open when the application ends',
    async (_name, stores) => {
      const app = await appWith({ stores: stores(), ttl: 60_000 })
      const cache = app.get<CacheManager>(CACHE_MANAGER)
      await cache.set('user:1', { name: 'Ada' })
      expect(await cache.get('user:1')).toEqual({ name: 'Ada' })
      expect(await cache.wrap('user:2', async () => ({ name: 'Bob' }))).toEqual({ name: 'Bob' })
      expect(await cache.mget(['user:1', 'user:2'])).toEqual([{ name: 'Ada' }, { name: 'Bob' }])
      expect(Math.abs(((await cache.ttl('user:1')) ?? 0) - Date.now() - 60_000)).toBeLessThan(2_000)
      const keys = (await server.command('KEYS', 'shop::*')) as string[]
      expect(keys).toHaveLength(2)
      await cache.del('user:1')
      expect(await cache.get('user:1')).toBeUndefined()
      await cache.clear()
      expect(await cache.get('user:2')).toBeUndefined()

      await cache.set('user:3', 3)
      await app.close()
      expect(await cache.get('user:3')).toBeUndefined()
      expect((await connection.health()).healthy).toBe(true)
      const left = (await server.command('KEYS', 'shop::*')) as string[]
      expect(left).toHaveLength(1)
      expect(await connection.get(left[0] as string)).toContain('"value":3')
    },
  )

  it('can be given a whole cache manager in the place of its own', async () => {
    const cache = asCacheManager(createCache({ connection, namespace }))
    const provided = { provide: CACHE_MANAGER, useValue: cache }
    const root = { module: Root, providers: [provided], exports: [CACHE_MANAGER] }
    const app = await NestFactory.createApplicationContext(root, { logger: false })
    const load = async (): Promise<number> => 1
    expect(await app.get<CacheManager>(CACHE_MANAGER).wrap('a', load, 60_000)).toBe(1)
    expect(await connection.get('shop::a')).toContain('"value":1')
    await app.close()
    await cache.disconnect()
    expect((await connection.health()).healthy).toBe(true)
  })

  it("rides on BullMQ's connection, which works on after the application ended", async () => {
    const queue = new Queue('mail', {
      connection: {
        host: server.host,
        port: server.port,
        maxRetriesPerRequest: null,
        socketTimeout: 15_000,
      },
    })
    const app = await appWith({
      stores: createCacheManager({ connection: queue, namespace }).stores,
    })
    const cache = app.get<CacheManager>(CACHE_MANAGER)
    await cache.set('a', 1)
    expect(await cache.get('a')).toBe(1)
    await app.close()
    expect(await queue.add('hello', {})).toHaveProperty('id', '1')
    await queue.close()
  })
})
