import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { expect, it, vi } from 'vitest'
import { startRedis, type TestRedis } from '@corral/testing'
import { mutating, startFixture } from './service-fixture.ts'

/** Connections open at the server, without the one that asks. */
async function connections(redis: TestRedis): Promise<number> {
  return (
    String(await redis.command('CLIENT', 'LIST'))
      .trim()
      .split('\n').length - 1
  )
}

/** What BullMQ alone opens for a queue and a worker that share a client. */
async function connectionsOfBullMq(): Promise<number> {
  await using server = await startRedis({ prefer: 'binary' })
  const connection = new Redis(server.url, { maxRetriesPerRequest: null })
  const queue = new Queue('plain', { connection })
  const worker = new Worker('plain', async () => {}, { connection })
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
  const counted = await connections(server)
  await worker.close()
  await queue.close()
  connection.disconnect()
  return counted
}

it('adds one connection to those of BullMQ, on which it hears what changed, and leaves none behind', async () => {
  const bullMq = await connectionsOfBullMq()
  await using fixture = await startFixture()
  const { redis, service } = fixture
  await service.app.inject('/api/users/1')
  await service.app.inject({
    method: 'POST',
    url: '/api/jobs',
    headers: mutating,
    payload: { userId: 2 },
  })
  await vi.waitFor(async () =>
    expect((await service.app.inject('/api/jobs')).json()).toMatchObject({ completed: 1 }),
  )
  const lock = await service.app.inject({
    method: 'POST',
    url: '/api/cache/lock/acquire',
    headers: mutating,
    payload: { resource: 'anything' },
  })
  expect(lock.statusCode).toBe(200)
  // Near copies are kept only while it hears.
  await vi.waitFor(async () =>
    expect((await service.app.inject('/api/users/2')).headers['x-cache']).toBe('near'),
  )
  expect(await connections(redis)).toBe(bullMq + 1)
  expect(await service.close()).toBe(true)
  await vi.waitFor(async () => expect(await connections(redis)).toBe(0))
})
