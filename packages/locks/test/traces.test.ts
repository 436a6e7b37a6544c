import { recordTrace, startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBench } from './harness.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

it('what happens to locks is told on diagnostics channels, with whose it was', async () => {
  await using bench = await openBench(server)
  const [locks, other] = [bench.locks(), bench.locks()]
  using trace = recordTrace(['acquired', 'released', 'lost', 'refused', 'error'], 'corral:locks:')
  const lock = await locks.acquire('told')
  await expect(other.acquire('told', { wait: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
  await lock.release()
  const failing = locks.using('told', async () => {
    await other.forceRelease('told')
    throw new Error('body')
  })
  await expect(failing).rejects.toThrow('body')
  expect(trace.events).toMatchObject([
    { name: 'corral:locks:acquired', message: { name: 'told', fencingToken: lock.fencingToken } },
    { name: 'corral:locks:refused', message: { name: 'told', code: 'LOCK_TIMEOUT' } },
    { name: 'corral:locks:released', message: { name: 'told', acknowledged: true } },
    { name: 'corral:locks:acquired', message: { name: 'told', kind: 'mutex' } },
    { name: 'corral:locks:released', message: { name: 'told', acknowledged: false } },
    { name: 'corral:locks:lost', message: { name: 'told', reason: 'taken' } },
    { name: 'corral:locks:error', message: { operation: 'release', code: 'LOCK_LOST' } },
  ])
  const whose = trace.events.map(({ message }) => (message as { source: object }).source)
  expect(whose.map((source) => source === locks.source)).toEqual([
    true,
    false,
    true,
    true,
    true,
    true,
    true,
  ])
  expect(JSON.stringify(trace.events)).not.toContain(lock.token)
})
