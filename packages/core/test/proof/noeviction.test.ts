import { spawnWorkers, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createCache, isCorralError, type Cache } from '../../src/index.ts'
import { pause, turn } from './machine-clock.ts'
import { figure, sized } from './scale.ts'
import type { MemoryWriter, MemoryWriterResult } from './workers/memory-writer.ts'

const module = new URL('./workers/memory-writer.ts', import.meta.url)
const megabyte = 2 ** 20
const limit = sized(60, 200) * megabyte

let server: TestRedis
let client: Redis
beforeEach(async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  server = await startRedis({
    args: ['--maxmemory', String(limit), '--maxmemory-policy', 'noeviction'],
  })
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
  })
})
afterEach(async () => {
  vi.restoreAllMocks()
  client.disconnect()
  await server.stop()
})

/** What counts towards the limit. */
async function used(): Promise<number> {
  const info = String(await server.command('INFO', 'memory'))
  const of = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
  return of('used_memory') - of('mem_not_counted_for_evict')
}

/** Takes memory as somebody else would, up to a number of bytes in use. */
async function takeUpTo(bytes: number, chunk: number): Promise<void> {
  for (let i = 0; (await used()) + chunk < bytes; i++) {
    await server.command('SET', `other:${i}`, 'x'.repeat(chunk - 256))
  }
}

/** Looks at the memory all the time. */
function watchMemory(): { stop(): Promise<number> } {
  let most = 0
  let going = true
  const watching = (async () => {
    while (going) {
      most = Math.max(most, await used())
      await pause(10)
    }
  })()
  return {
    async stop() {
      going = false
      await watching
      return most
    },
  }
}

it('cache values stop at 80 %, the queue beside them goes on, and writing resumes when there is room', async () => {
  const data: MemoryWriter = {
    port: server.port,
    valueBytes: 10_000,
    bytesPerSecond: sized(0.01, 0.005) * limit,
  }
  await takeUpTo(limit * 0.76, 500_000)
  const queue = new Queue('beside', { connection: client })
  const cache = createCache({ connection: client, namespace: 'memory' })
  await using workers = await spawnWorkers<MemoryWriterResult>(module, {
    count: 2,
    data,
    gates: ['begin', 'stop'],
  })
  const begin = await workers.gate('begin')
  const memory = watchMemory()
  begin()
  await waitFor(async () => !(await cache.set('probe', 'x')), {
    what: 'writing to stop',
    timeout: 40_000,
    interval: 100,
  })
  // The others look every few seconds as well.
  const before = Number(await server.command('DBSIZE'))
  await waitFor(
    async () => {
      const size = Number(await server.command('DBSIZE'))
      await pause(1_500)
      return Number(await server.command('DBSIZE')) <= size
    },
    { what: 'the others to stop', timeout: 20_000 },
  )
  const added = await Promise.allSettled(
    Array.from({ length: 200 }, (_, i) => queue.add('work', { i, rest: 'x'.repeat(1_000) })),
  )
  const most = await memory.stop()

  await server.command('FLUSHALL')
  const room = performance.now()
  await waitFor(() => cache.set('probe', 'x'), { what: 'writing to resume', timeout: 15_000 })
  const resumed = performance.now() - room
  const stop = await workers.gate('stop')
  stop()
  const results = (await workers.results()) as MemoryWriterResult[]
  figure('noeviction at 80 %', {
    'most of maxmemory, %': (100 * most) / limit,
    results,
    before,
    'jobs added': added.filter(({ status }) => status === 'fulfilled').length,
    'resumed after, ms': resumed,
  })
  // They look every 2 to 5 s, and go on at their rate meanwhile.
  expect(most / limit).toBeLessThan(0.8 + 0.13)
  expect(added.filter(({ status }) => status === 'fulfilled')).toHaveLength(200)
  for (const { refused, stored, warnings } of results) {
    expect(stored).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
    expect(warnings.filter((code) => code === 'CORRAL_MEMORY').length).toBeGreaterThan(0)
  }
  expect(resumed).toBeLessThan(6_000)
  await cache.close()
  await queue.close()
})

it('at 100 %: writes are reported, reads, deletes and stamps go on, nothing of ours goes past the limit', async () => {
  const open = (name: string, onError: 'degrade' | 'throw'): Cache =>
    createCache({
      connection: client,
      namespace: name,
      onError,
      // Writes go on to the limit, so that the scripts themselves are refused.
      maxMemoryShare: 1,
    })
  const cache = open('full', 'degrade')
  const strict = open('strict', 'throw')
  const entries = Array.from({ length: 500 }, (_, i) => ({ key: `k${i}`, value: i }))
  expect((await cache.setMany(entries, { tags: ['t'] })).every(Boolean)).toBe(true)
  expect(await strict.set('k', 'kept')).toBe(true)
  await cache.get('k0')
  await takeUpTo(0.98 * limit, 100_000)
  // So far below what is in use that what clients' buffers take and give back makes no difference.
  await server.command('CONFIG', 'SET', 'maxmemory', String(Math.round(0.97 * limit)))
  await expect(server.command('SET', 'x', 'y')).rejects.toThrow('OOM')
  const size = Number(await server.command('DBSIZE'))
  const atLimit = await used()
  const memory = watchMemory()

  // Reported.
  expect(await cache.set('new', 'x'.repeat(1_000))).toBe(false)
  await expect(strict.set('new', 'x')).rejects.toSatisfy((error) =>
    isCorralError(error, 'REDIS_FULL'),
  )
  await expect(cache.increment('count')).rejects.toSatisfy((error) =>
    isCorralError(error, 'REDIS_FULL'),
  )
  expect(await cache.getOrSet('loaded', () => 'loaded')).toBe('loaded')
  expect(await cache.get('loaded')).toBeUndefined()
  const deadline = performance.now() + sized(1_000, 5_000)
  let written = 0
  let refused = 0
  while (performance.now() < deadline) {
    const big = 'x'.repeat(20_000)
    // One that does not know yet that Redis is full, and so finds out by its scripts.
    const fresh = open('full', 'degrade')
    const all = await Promise.all([
      ...Array.from({ length: 20 }, (_, i) => fresh.set(`big${i}`, big)),
      fresh.setMany(Array.from({ length: 20 }, (_, i) => ({ key: `many${i}`, value: big }))),
      ...Array.from({ length: 20 }, (_, i) => fresh.getOrSet(`load${i}`, () => big)),
      fresh.set('k2', big),
    ])
    refused += (await fresh.stats()).errors
    await fresh.close()
    written += all.flat().filter((stored) => stored === true).length
    await turn()
  }
  const most = await memory.stop()
  expect(written).toBe(0)
  expect(refused).toBeGreaterThan(20)
  expect(Number(await server.command('DBSIZE'))).toBeLessThanOrEqual(size)

  // What goes on. A value that could not replace an older one took it away.
  expect(await cache.get('k2')).toBeUndefined()
  expect(await cache.get('k1')).toBe(1)
  expect(await strict.get('k')).toBe('kept')
  expect(await cache.invalidateTags(['t'])).toBe(true)
  expect(await cache.get('k1')).toBeUndefined()
  expect(await strict.clear()).toBe(true)
  expect(await strict.get('k')).toBeUndefined()
  expect(await cache.delete('k1')).toBe(true)
  expect(await cache.deletePattern('k*')).toBe(498)
  figure('noeviction at 100 %', {
    refused,
    'at the limit, %': (100 * atLimit) / limit,
    'most while we wrote, %': (100 * most) / limit,
    'most over it, KiB': (most - atLimit) / 1_024,
  })
  // Buffers of clients count as well, while a command is read.
  expect(most - atLimit).toBeLessThan(2 * megabyte)

  await server.command('CONFIG', 'SET', 'maxmemory', String(2 * limit))
  await waitFor(() => cache.set('new', 'x'), { what: 'writing to resume', timeout: 15_000 })
  await Promise.all([cache.close(), strict.close()])
})
