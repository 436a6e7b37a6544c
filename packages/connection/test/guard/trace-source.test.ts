import { recordTrace, startRedis, type TestRedis, waitFor } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Connection, shareConnection } from '../../src/index.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis({ prefer: 'binary' })
})
afterAll(async () => {
  await server.stop()
})

function client(): Redis {
  const made = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 20,
  })
  made.on('error', () => {})
  return made
}

const channels = ['command', 'breaker', 'state', 'signals', 'warning']

it('everything that is published names its connection: one for all handles on one client', async () => {
  using trace = recordTrace(channels, 'corral:connection:')
  const clients = [client(), client()] as const
  // A warning of each: Redis evicts.
  await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  const first = shareConnection(clients[0], { onWarning: () => {} })
  const again = shareConnection(clients[0])
  const second = shareConnection(clients[1], { onWarning: () => {} })
  expect(first.source).toMatchObject({ kind: 'connection' })
  expect(again.source).toBe(first.source)
  const other = shareConnection(first)
  expect(other.source).toBe(first.source)
  expect(second.source).not.toBe(first.source)

  const listener = { keys() {}, flush() {}, state() {} }
  async function use(connection: Connection): Promise<void> {
    await connection.get('k')
    connection.signals.watch('k', listener)
    await connection.signals.whenOn(5_000)
  }
  await use(first)
  await use(second)
  await server.pause()
  await waitFor(async () => {
    await Promise.allSettled([first.get('k'), again.get('k'), second.get('k')])
    return !first.available && !second.available
  })
  await server.resume()
  await waitFor(() => first.available && second.available)

  for (const channel of channels) {
    const sources = new Set((trace.of(channel) as { source: unknown }[]).map((m) => m.source))
    expect([channel, sources]).toEqual([channel, new Set([first.source, second.source])])
  }
  await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await Promise.all([first, again, other, second].map((each) => each.close()))
  for (const each of clients) each.disconnect()
})

it('a client that came by a promise has the source of those who share it already', async () => {
  const shared = client()
  const first = shareConnection(shared)
  await first.get('k')
  const promised = shareConnection(Promise.resolve(shared))
  await promised.get('k')
  expect(promised.source).toBe(first.source)
  await promised.close()
  await first.close()
  shared.disconnect()
})
