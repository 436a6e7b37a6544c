import { shareConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLocks, type Locks } from '../src/index.ts'
import { heldNames } from './harness.ts'

// What the projects that Corral comes from do with locks, on the queue's own connection.

let server: TestRedis
let queue: Queue
let locks: Locks

beforeAll(async () => {
  server = await startRedis()
  queue = new Queue('mail', { connection: { url: server.url } })
  locks = createLocks({
    connection: shareConnection(queue, { deadline: '2s' }),
    namespace: 'chat',
  })
})
afterAll(async () => {
  await locks.close()
  await queue.close()
  await server.stop()
})

describe('a critical operation', () => {
  it('runs alone, 30 seconds at most, after three tries 100 ms apart', async () => {
    const resourceId = '17'
    let running = 0
    async function doSomethingCritical(id: string): Promise<string> {
      expect(++running).toBe(1)
      await new Promise(setImmediate)
      running--
      return `done ${id}`
    }
    const perform = (): Promise<string> =>
      locks.using(`critical:${resourceId}`, () => doSomethingCritical(resourceId), {
        ttl: 30,
        retry: { attempts: 3, delay: '100ms' },
      })
    expect(await Promise.all([perform(), perform()])).toEqual(['done 17', 'done 17'])

    const held = await locks.acquire(`critical:${resourceId}`)
    const from = performance.now()
    await expect(perform()).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    expect(performance.now() - from).toBeGreaterThan(250)
    expect(performance.now() - from).toBeLessThan(900)
    await held.release()
  })

  it('can take longer: its lock is extended', async () => {
    const lock = await locks.acquire('critical:18', { ttl: '1s' })
    const before = lock.expiresAt
    await lock.extend(30)
    expect(lock.expiresAt - before).toBeGreaterThan(28_000)
    await lock.release()
  })

  it('can cover many resources, and all locks can be seen', async () => {
    await using set = await locks.acquireMany(['room:1', 'room:2'])
    expect(set.held).toBe(true)
    const active = await heldNames(locks)
    expect(active).toEqual(['room:1', 'room:2'])
    expect(locks.stats().held).toBe(2)
  })
})

describe('locks for HTTP callers', () => {
  // POST /api/cache/lock/acquire { resource, ttl? } and /api/cache/lock/release { key, token }
  async function acquire(body: { resource: string; ttl?: number }): Promise<object> {
    const lock = await locks.tryAcquire(body.resource, { ttl: body.ttl ?? 30 })
    if (lock === undefined) return { acquired: false }
    return { acquired: true, key: lock.name, token: lock.token, fencingToken: lock.fencingToken }
  }
  async function release(body: { key: string; token: string }): Promise<object> {
    return { released: await locks.release(body.key, body.token) }
  }

  it('are given back by key and token, by nobody else, and once', async () => {
    const first = (await acquire({ resource: 'order:9', ttl: 10 })) as {
      key: string
      token: string
    }
    expect(first).toMatchObject({ acquired: true, key: 'order:9' })
    expect(await acquire({ resource: 'order:9' })).toEqual({ acquired: false })
    expect(await release({ key: first.key, token: 'guessed' })).toEqual({ released: false })
    expect(await release(first)).toEqual({ released: true })
    expect(await release(first)).toEqual({ released: false })
    expect(await acquire({ resource: 'order:9' })).toMatchObject({ acquired: true })
  })
})
