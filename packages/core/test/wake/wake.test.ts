import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWake } from '../../src/wake/wake.ts'
import { openSide } from '../stamps/harness.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

test('waiters of many keys are woken within milliseconds of a write by redis-cli', async () => {
  const side = openSide(server)
  const wake = createWake({ connection: side.connection, prefix: 's::' })
  await wake.wait('s::1', 1)
  await waitFor(() => side.connection.signals.state === 'on', { what: 'signals' })
  const took: number[] = []
  for (let i = 0; i < 50; i++) {
    const waiting = wake.wait(`s::${i}`, 10_000)
    const from = performance.now()
    await server.command('SET', `s::${i}`, 'x')
    expect(await waiting).toBe('changed')
    took.push(performance.now() - from)
  }
  const median = took.toSorted((a, b) => a - b)[25] as number
  expect(median).toBeLessThan(20)
  wake.close()
  await side.end()
})

test('a waiter is woken when signals are cut, and hears again when they are back', async () => {
  const side = openSide(server)
  const wake = createWake({ connection: side.connection, prefix: 's::' })
  await wake.wait('s::a', 1)
  await waitFor(() => side.connection.signals.state === 'on', { what: 'signals' })
  const waiting = wake.wait('s::a', 60_000)
  await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
  expect(await waiting).toBe('changed')
  await waitFor(() => side.connection.signals.state === 'on', { what: 'signals again' })
  const again = wake.wait('s::a', 60_000)
  await server.command('SET', 's::a', 'x')
  expect(await again).toBe('changed')
  wake.close()
  await side.end()
})
