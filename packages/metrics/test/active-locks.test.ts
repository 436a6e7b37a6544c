import { createLocks } from '@corral/locks'
import { recordTrace, spawnWorkers, startRedis, waitFor } from '@corral/testing'
import type { TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMetrics } from '../src/index.ts'
import { durationsOf, expectQuantiles } from './quantiles.ts'

let server: TestRedis
let client: Redis

beforeAll(async () => {
  server = await startRedis({ prefer: 'binary' })
  client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 50,
  })
  client.on('error', () => {})
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
})

describe('locks', () => {
  it('are told as Redis holds them, also after holders crashed', async () => {
    await using locks = createLocks({ connection: client, namespace: 'shop' })
    using trace = recordTrace(['acquired', 'refused'], 'corral:locks:')
    using metrics = createMetrics({ locks, askLocksEvery: '1s' })
    const active = async (): Promise<number | undefined> =>
      (await metrics.snapshot()).locks?.active?.count
    const held = await Promise.all(
      ['a', 'b', 'c'].map((name) => locks.acquire(name, { ttl: '60s' })),
    )
    expect(await locks.tryAcquire('a')).toBeUndefined()
    await expect(locks.acquire('a', { wait: '20ms' })).rejects.toMatchObject({
      code: 'LOCK_TIMEOUT',
    })
    const rest = [
      await locks.readWrite('shared').read({ ttl: '60s' }),
      await locks.semaphore('pool', 3).acquire({ ttl: '60s' }),
    ]
    expect(await active()).toBe(5)
    await using workers = await spawnWorkers(new URL('./workers/lock-worker.ts', import.meta.url), {
      count: 2,
      data: { host: server.host, port: server.port },
    })
    await waitFor(() => workers.reports.length === 2)
    await waitFor(async () => (await active()) === 11)
    await workers.kill(0)
    await workers.kill(1)
    await waitFor(async () => (await active()) === 5)
    await Promise.all(rest.map((lock) => lock.release()))
    await held[0]?.release()
    await waitFor(async () => (await active()) === 2)
    const { locks: figures, latency } = await metrics.snapshot()
    expect(figures).toMatchObject({ held: 2, waiting: 0, acquired: 5, released: 3, lost: 0 })
    expect(figures?.refused).toEqual([{ code: 'LOCK_TIMEOUT', count: 1 }])
    expectQuantiles(latency.window['lock-wait'], durationsOf(trace.of('acquired')))
    await Promise.all(held.slice(1).map((lock) => lock.release()))
  })
})
