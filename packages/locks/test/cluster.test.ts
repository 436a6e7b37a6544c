import { shareConnection } from '@corral/connection'
import { startRedis, type TestRedis, waitFor } from '@corral/testing'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLocks } from '../src/index.ts'
import { heldNames } from './harness.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis({ mode: 'cluster', prefer: 'binary' })
})
afterAll(() => server.stop())

it('every kind works in a cluster, woken from any of its nodes', async () => {
  const nodes = server.nodes.map(({ host, port }) => ({ host, port }))
  const clients = [0, 1].map(() => new Cluster(nodes, { redisOptions: { socketTimeout: 15_000 } }))
  const [a, b] = clients.map((client) =>
    createLocks({ connection: shareConnection(client, { deadline: '2s' }), namespace: 'shop' }),
  )
  if (a === undefined || b === undefined) throw new Error('two are needed')
  await waitFor(() => a.tryAcquire('warm').then((lock) => lock?.release().then(() => true)))
  // Names in many slots, so on every node.
  await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const name = `lock:${i}`
      let inside = 0
      const body = async (): Promise<void> => {
        expect(++inside).toBe(1)
        await new Promise(setImmediate)
        inside--
      }
      const all = [a, b].flatMap((side) => [
        side.using(name, body, { wait: '20s' }),
        side.fair(name).using(body, { wait: '20s' }),
      ])
      await Promise.all(all)
      const read = await a.readWrite(name).read()
      expect(await b.readWrite(name).tryWrite()).toBeUndefined()
      const writing = b.readWrite(name).write({ wait: '20s' })
      await waitFor(async () => (await a.readWrite(name).inspect()).waiting === 1)
      await read.release()
      await (await writing).release()
      await b.semaphore(name, 2).using(() => undefined)
    }),
  )
  const set = await a.acquireMany(['lock:1', 'lock:2', 'lock:3'])
  expect(await heldNames(b)).toEqual(['lock:1', 'lock:2', 'lock:3'])
  await set.release()
  for (const locks of [a, b]) await locks.close()
  for (const client of clients) client.disconnect()
})
