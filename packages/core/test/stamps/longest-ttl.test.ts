import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { createCache, type Cache } from '../../src/index.ts'

let server: TestRedis
let client: Redis
let writer: Cache
let reader: Cache

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

beforeEach(() => {
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
  writer = createCache({ connection: client, namespace: 'n' })
  reader = createCache({ connection: client, namespace: 'n' })
})

afterEach(async () => {
  await Promise.all([writer.close(), reader.close()])
  client.disconnect()
})

const day = 24 * 3_600_000
const stampLeft = async (tag: string): Promise<number> =>
  Number(await server.command('PTTL', `corral:stamp:{n}:${tag}`))

it('a stamp outlives the entries that its process has only read', async () => {
  await writer.set('k', 1, { ttl: '30 days', tags: ['t'] })
  expect(await reader.get('k')).toBe(1)
  expect(await reader.invalidateTags(['t'])).toBe(true)
  expect(await stampLeft('t')).toBeGreaterThan(30 * day)
  expect(await stampLeft('t')).toBeLessThan(31 * day)
  expect(await reader.get('k')).toBeUndefined()

  await writer.set('f', 1, { ttl: 'forever', tags: ['u'] })
  expect(await reader.getMany(['f'])).toEqual([1])
  await reader.invalidateTags(['u'])
  expect(await stampLeft('u')).toBe(-1)
})
