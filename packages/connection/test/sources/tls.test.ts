import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'
import { createServer, type Server } from 'node:tls'
import { startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openConnection, shareConnection } from '../../src/index.ts'
import { drivers, ignore, SHARED } from '../guard/drivers.ts'

// Made for this test, and trusted by nobody who does not name it.
const ca = readFileSync(new URL('tls/cert.pem', import.meta.url), 'utf8')
const key = readFileSync(new URL('tls/key.pem', import.meta.url), 'utf8')
const host = '127.0.0.1'

let redis: TestRedis
let door: Server
let port: number
beforeAll(async () => {
  redis = await startRedis({ prefer: 'binary' })
  // A door to Redis that understands TLS and nothing else.
  door = createServer({ cert: ca, key }, (socket) => {
    const inside = connect(redis.port, redis.host)
    pipeline(socket, inside, ignore)
    pipeline(inside, socket, ignore)
  })
  door.listen(0, host)
  await once(door, 'listening')
  port = (door.address() as AddressInfo).port
})
afterAll(async () => {
  door.close()
  await redis.stop()
})

describe.each(drivers)('over TLS ($name)', ({ Redis }) => {
  it('a borrowed client is used as it is, and the signals come the same way', async () => {
    const client = new Redis({ ...SHARED, port, host, tls: { ca } })
    client.on('error', ignore)
    const connection = shareConnection(client, { onWarning: ignore })
    await connection.signals.whenOn(5_000)
    await connection.set('a', '1', { ttlMs: 60_000 })
    expect(await connection.get('a')).toBe('1')
    await connection.close()
    client.disconnect()
  })

  it('a server that the client does not trust is not spoken with', async () => {
    const client = new Redis({ ...SHARED, port, host, tls: {} })
    client.on('error', ignore)
    const connection = shareConnection(client, { onWarning: ignore })
    await expect(connection.get('a')).rejects.toMatchObject({
      code: 'REDIS_UNAVAILABLE',
      cause: { message: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    })
    await connection.close()
    client.disconnect()
  })
})

it('a connection of our own takes rediss:// and the options of TLS', async () => {
  const connection = openConnection({ host, port, tls: { ca } })
  expect(await connection.health()).toMatchObject({ healthy: true })
  await connection.close()

  const untrusting = openConnection(`rediss://${host}:${port}`)
  await expect(untrusting.get('a')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
  await untrusting.close()
})
