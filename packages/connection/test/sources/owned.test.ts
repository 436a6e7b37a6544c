import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { startRedis, waitFor } from '@corral/testing'
import type { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { openConnection } from '../../src/index.ts'
import { ignore } from '../guard/drivers.ts'

const QUIET = { signals: false, onWarning: ignore } as const

/** A Sentinel that takes connections and says nothing until it is told to hang up. */
async function silentSentinel() {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', ignore)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    hangUp: () => sockets.forEach((socket) => socket.destroy()),
    async [Symbol.asyncDispose]() {
      this.hangUp()
      server.close()
      await once(server, 'close')
    },
  }
}

/** What ioredis's detector of failovers does when it hears of one. */
function failoverHeard(client: unknown): void {
  ;(client as { connector: { disconnect(): void } }).connector.disconnect()
}

describe('behind Sentinel', () => {
  it('outlives a failover that is heard of in the middle of a reconnect', async () => {
    await using sentinel = await silentSentinel()
    const connection = openConnection(
      { sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'main' },
      QUIET,
    )
    const client = connection.client as Redis
    await waitFor(() => sentinel.sockets.size > 0, { what: 'the question for the master' })
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()))
    failoverHeard(client)
    sentinel.hangUp()
    await ended
    await waitFor(() => client.status === 'connecting', { what: 'another attempt' })

    await waitFor(() => sentinel.sockets.size > 0, { what: 'the second question' })
    const closing = connection.close()
    const hangingUp = setInterval(() => sentinel.hangUp(), 5)
    await closing
    await waitFor(() => client.status === 'end', { what: 'the end' })
    clearInterval(hangingUp)
    // Whoever takes the end for a failover connects again as soon as it is told.
    await new Promise((resolve) => setImmediate(resolve))
    expect(client.status).toBe('end')
  })
})

describe('close()', () => {
  it('ends a client that waits for its next attempt, and what others wait for on it', async () => {
    const redis = await startRedis({ prefer: 'binary' })
    const connection = openConnection({ port: redis.port, retryStrategy: () => 60_000 }, QUIET)
    const client = connection.client as Redis
    await connection.set('warm', 'up')
    await redis.stop()
    await waitFor(() => client.status === 'reconnecting', { what: 'the loss' })
    // As BullMQ asks: without a limit on retries it would wait for ever.
    const others = client.get('theirs').then(
      () => 'answered',
      () => 'rejected',
    )
    const startedAt = performance.now()
    await connection.close()
    expect(client.status).toBe('end')
    expect(await others).toBe('rejected')
    expect(performance.now() - startedAt).toBeLessThan(400)
  })

  it('is over for everybody who asked for it only when it is over', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    const connection = openConnection(redis.url, QUIET)
    await connection.set('warm', 'up')
    void connection.close()
    await connection.close()
    expect(connection.client.status).toBe('end')
  })
})
