import { shareConnection } from '@corral/connection'
import { startProxy, startRedis, waitFor, type FaultProxy, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { createCache, type Cache } from '../../src/index.ts'
import { figure } from './scale.ts'

/*
 * A lease that nobody holds makes all others wait for its end, 5 s. Here are the ways in which one
 * could be left behind by a process that lives on.
 */

let server: TestRedis
let proxy: FaultProxy
let here: Cache
let there: Cache
const clients: Redis[] = []

beforeAll(async () => {
  server = await startRedis()
  proxy = await startProxy({ target: server })
})
afterAll(async () => {
  await proxy.close()
  await server.stop()
})

function open(port: number): Cache {
  const client = new Redis(port, '127.0.0.1', {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 20,
  })
  client.on('error', () => {})
  clients.push(client)
  const connection = shareConnection(client, { maxValueBytes: 2_000, onWarning: () => {} })
  return createCache({ connection, namespace: 'left' })
}

beforeEach(async () => {
  await server.command('FLUSHALL')
  here = open(proxy.port)
  there = open(server.port)
  for (const cache of [here, there]) {
    // The scripts are known: what comes next is one command.
    await waitFor(async () => {
      await cache.getOrSet('warm-up', () => 1)
      await cache.set('other', 1)
      return await cache.delete('warm-up')
    })
  }
})
afterEach(async () => {
  await Promise.all([here.close(), there.close()])
  for (const client of clients.splice(0)) client.disconnect()
})

async function expectNoWait(key: string, cache: Cache): Promise<void> {
  const began = performance.now()
  expect(await cache.getOrSet(key, () => 'next')).toBe('next')
  const took = performance.now() - began
  figure('load after a lease was left', { took, unit: 'ms', lease: 5_000 })
  expect(took).toBeLessThan(1_500)
  await waitFor(async () => (await cache.get(key)) === 'next')
}

it('the reply that granted it was lost', async () => {
  const dropped = proxy.dropNextReply({ command: 'EVALSHA' })
  expect(await here.getOrSet('k', () => 'loaded')).toBe('loaded')
  await dropped
  expect(String(await server.command('GET', 'left::k'))).toMatch(/^\{"lease"/)
  await expectNoWait('k', there)
})

it('the value is larger than may be stored', async () => {
  const large = 'x'.repeat(5_000)
  expect(await here.getOrSet('k', () => large)).toBe(large)
  await waitFor(async () => (await here.stats()).errors > 0)
  await expectNoWait('k', there)
})

it('the value cannot be stored, and the same process asks again', async () => {
  const large = 'x'.repeat(5_000)
  expect(await here.getOrSet('k', () => large)).toBe(large)
  await waitFor(async () => (await here.stats()).errors > 0)
  await expectNoWait('k', here)
})

it('what stood at the key became a list while it was loaded', async () => {
  expect(
    await here.getOrSet('k', async () => {
      await server.command('DEL', 'left::k')
      await server.command('RPUSH', 'left::k', 'theirs')
      return 'loaded'
    }),
  ).toBe('loaded')
  await waitFor(async () => (await here.stats()).errors > 0)
  const began = performance.now()
  expect(await there.getOrSet('k', () => 'next')).toBe('next')
  expect(performance.now() - began).toBeLessThan(1_500)
  expect(await server.command('LRANGE', 'left::k', 0, -1)).toEqual(['theirs'])
})
