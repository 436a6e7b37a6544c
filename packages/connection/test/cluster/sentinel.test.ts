import { startRedis, type TestRedis, waitFor } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { type Connection, isCorralError, shareConnection } from '../../src/index.ts'
import { type Client, type Driver, drivers, ignore } from '../guard/drivers.ts'
import { nth, writes } from '../guard/writes.ts'

function open({ Redis }: Driver, redis: TestRedis): Client {
  const client = new Redis({
    sentinels: redis.sentinels!.map(({ host, port }) => ({ host, port })),
    name: redis.masterName,
    maxRetriesPerRequest: null,
    failoverDetector: true,
    retryStrategy: () => 50,
    sentinelRetryStrategy: () => 50,
  })
  client.on('error', ignore)
  // A failover that its detector notices while it reconnects ends an ioredis client for good.
  client.on('end', () => void client.connect().catch(ignore))
  return client
}

function end(client: Client): void {
  client.off('end', client.listeners('end').at(-1) as () => void)
  client.disconnect()
}

/** Waits for a value written and read through the guard. */
async function serves(connection: Connection): Promise<void> {
  await waitFor(
    async () => {
      await connection.set('probe', 'here')
      return (await connection.get('probe')) === 'here'
    },
    { what: 'the new master', timeout: 20_000 },
  )
}

describe.each(drivers)('behind Sentinel ($name)', (driver) => {
  it('follows a failover, and no write that failed at the frozen master shows up later', async () => {
    await using redis = await startRedis({ mode: 'sentinel', prefer: 'binary' })
    const client = open(driver, redis)
    const connection = shareConnection(client, {
      signals: false,
      onWarning: ignore,
      deadline: '100ms',
    })
    await serves(connection)
    const keys = Array.from({ length: 200 }, (_, i) => `late:${i}`)
    for (const key of keys) await redis.command('SET', key, '5')
    const replica = redis.nodes.find(({ role }) => role === 'replica')!
    await waitFor(async () => (await redis.commandOn(replica, 'GET', keys.at(-1)!)) === '5', {
      what: 'replication',
    })

    const [old] = redis.nodes.filter(({ role }) => role === 'master')
    await redis.pause(old)
    const errors = (
      await Promise.allSettled(keys.map((key, i) => nth(writes, i)(connection, key)))
    ).map((result) => (result.status === 'rejected' ? (result.reason as unknown) : undefined))
    expect(errors.every((error) => isCorralError(error, 'REDIS_UNAVAILABLE'))).toBe(true)

    const now = await redis.failover(old)
    await serves(connection)
    for (const key of keys) await redis.commandOn(now, 'SET', key, '1000')
    await redis.resume(old)
    await waitFor(async () => String(await redis.commandOn(old!, 'ROLE')).startsWith('slave'), {
      what: 'the old master to step down',
      timeout: 20_000,
    })
    await serves(connection)
    const values = await Promise.all(keys.map((key) => redis.commandOn(now, 'GET', key)))
    expect(values).toEqual(keys.map(() => '1000'))

    // Back again: the master is killed this time.
    await waitFor(
      async () =>
        String(await redis.commandOn(old!, 'INFO', 'replication')).includes(
          'master_link_status:up',
        ),
      {
        what: 'the replica to be in sync',
        timeout: 20_000,
      },
    )
    await redis.kill(now)
    const during = await Promise.allSettled(keys.map((key) => connection.get(key)))
    for (const result of during) {
      if (result.status === 'rejected')
        expect(isCorralError(result.reason, 'REDIS_UNAVAILABLE')).toBe(true)
    }
    await redis.failover(now)
    await serves(connection)
    await connection.close()
    end(client)
  })

  it('treats a demoted master as one that takes no writes', async () => {
    await using redis = await startRedis({ mode: 'replica', prefer: 'binary' })
    const client = new driver.Redis({
      port: redis.port,
      host: redis.host,
      maxRetriesPerRequest: null,
    })
    client.on('error', ignore)
    const connection = shareConnection(client, { signals: false, onWarning: ignore })
    await serves(connection)
    const replica = redis.nodes.find(({ role }) => role === 'replica')!
    await waitFor(async () => (await redis.commandOn(replica, 'GET', 'probe')) === 'here', {
      what: 'replication',
    })
    await redis.failover()
    await waitFor(
      () =>
        connection.set('a', '1').then(
          () => false,
          (error: unknown) =>
            isCorralError(error, 'REDIS_UNAVAILABLE') && error.reason === 'refused',
        ),
      { what: 'READONLY' },
    )
    expect((await connection.health()).nodes[0]).toMatchObject({ read: 'closed', write: 'open' })
    await expect(connection.set('a', '1')).rejects.toMatchObject({ reason: 'breaker-open' })
    await expect(connection.delete('a')).rejects.toMatchObject({ reason: 'breaker-open' })
    expect(await connection.get('probe')).toBe('here')
    await connection.close()
    client.disconnect()
  })
})
