import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type Cache } from '../src/index.ts'

const deadlineMs = 200
/** What the two cores of a test machine may add to a deadline. */
const slackMs = 150

let server: TestRedis
let client: Redis
let cache: Cache
let strict: Cache

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

beforeEach(async () => {
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 100,
  })
  client.on('error', () => {})
  cache = createCache({ connection: client, namespace: 'shop:v1' })
  strict = createCache({ connection: client, namespace: 'shop:v1', onError: 'throw' })
  await waitFor(() => cache.set('user:1', 'cached'))
  await cache.set('user:9', 'kept')
})

afterEach(async () => {
  await cache.close()
  await strict.close()
  client.disconnect()
})

async function timed<T>(call: () => Promise<T>): Promise<[T, number]> {
  const started = performance.now()
  return [await call(), performance.now() - started]
}

async function doesWithout(): Promise<void> {
  const load = vi.fn(() => 'loaded')
  const calls: [() => Promise<unknown>, unknown][] = [
    [() => cache.get('user:1'), undefined],
    [() => cache.getMany(['user:1', 'user:2']), [undefined, undefined]],
    [() => cache.has('user:1'), false],
    [() => cache.ttl('user:1'), undefined],
    [() => cache.set('user:2', 1), false],
    [() => cache.setMany([{ key: 'user:2', value: 1 }]), [false]],
    [() => cache.delete('user:1'), false],
    [() => cache.deleteMany(['user:1']), [false]],
    [
      () => Promise.all([cache.getOrSet('user:3', load), cache.getOrSet('user:3', load)]),
      ['loaded', 'loaded'],
    ],
  ]
  for (const [call, expected] of calls) {
    const [value, ms] = await timed(call)
    expect(value).toEqual(expected)
    expect(ms).toBeLessThan(deadlineMs + slackMs)
  }
  expect(load).toHaveBeenCalledTimes(1)
  for (const call of [
    () => strict.get('user:1'),
    () => strict.getMany(['user:1']),
    () => strict.set('user:2', 1),
    () => strict.setMany([{ key: 'user:2', value: 1 }]),
    () => strict.delete('user:1'),
    () => strict.deleteMany(['user:1']),
    () => strict.getOrSet('user:3', () => 1),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
  }
}

describe('with Redis', () => {
  it('frozen, calls do without it in time; then it serves again, unharmed by them', async () => {
    await server.pause()
    try {
      await doesWithout()
    } finally {
      await server.resume()
    }
    await waitFor(async () => (await cache.get('user:9')) === 'kept', { what: 'the first hit' })
    await waitFor(async () => (await server.command('EXISTS', 'shop:v1::user:1')) === 0, {
      what: 'the delete that was remembered',
    })
    expect(await cache.get('user:1')).toBeUndefined()
    // What was told to have failed has no effect later.
    expect(await cache.getMany(['user:2', 'user:3'])).toEqual([undefined, undefined])
  })

  it('killed, calls do without it in time; then it serves again', async () => {
    await server.kill()
    try {
      await doesWithout()
    } finally {
      await server.restart()
    }
    await waitFor(() => cache.set('user:2', 1), { what: 'the first set' })
    expect(await cache.get('user:2')).toBe(1)
  })
})
