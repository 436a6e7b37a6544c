import { Cluster, Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import {
  openRawConnection,
  settlesWithin,
  startRedis,
  waitFor,
  type TestRedis,
} from '../src/index.ts'

async function offsetOf(redis: TestRedis, node: string): Promise<number> {
  const info = String(await redis.commandOn(node, 'INFO', 'replication'))
  return Number(/master_repl_offset:(\d+)/.exec(info)?.[1])
}

describe('standalone', () => {
  it('freezes and thaws without losing its connections', async () => {
    await using redis = await startRedis()
    const client = new Redis(redis.url)
    try {
      expect(await client.ping()).toBe('PONG')
      await redis.pause()
      const asked = client.ping()
      expect(await settlesWithin(asked, 200)).toBe(false)
      expect(client.status).toBe('ready')
      await redis.resume()
      expect(await asked).toBe('PONG')
    } finally {
      client.disconnect()
    }
  })

  it('dies and comes back on its port, empty unless it kept an append-only file', async () => {
    await using plain = await startRedis()
    await using durable = await startRedis({ args: ['--appendonly', 'yes'] })
    for (const redis of [plain, durable]) {
      await redis.command('SET', 'a', '1')
      await redis.pause()
      await redis.kill()
      expect(redis.nodes[0]?.pid).toBeUndefined()
      await expect(redis.command('PING')).rejects.toThrow(/ECONNREFUSED/)
      await redis.restart()
    }
    expect(await plain.command('GET', 'a')).toBeNull()
    expect(await durable.command('GET', 'a')).toBe('1')
    await durable.restart(undefined, { args: ['--appendonly', 'yes', '--maxmemory', '5mb'] })
    expect(await durable.command('CONFIG', 'GET', 'maxmemory')).toEqual(['maxmemory', '5242880'])
    expect(await durable.command('GET', 'a')).toBe('1')
  })

  it('can be had while it is still loading', async () => {
    await using redis = await startRedis({
      args: ['--key-load-delay', '300', '--loading-process-events-interval-bytes', '1024'],
    })
    await redis.command('DEBUG', 'POPULATE', 5_000)
    await redis.command('SAVE')
    await redis.restart(undefined, { until: 'listening' })
    await expect(redis.command('GET', 'a')).rejects.toThrow(/^LOADING/)
    await waitFor(() => redis.command('DBSIZE'), { what: 'the end of loading' })
    expect(await redis.command('DBSIZE')).toBe(5_000)
  })

  it('leaves neither process nor directory behind, even when stopped while frozen', async () => {
    const redis = await startRedis()
    const pid = redis.nodes[0]?.pid
    await redis.pause()
    await redis.stop()
    await redis.stop()
    await expect(openRawConnection(redis)).rejects.toThrow(/ECONNREFUSED/)
    // In a container it has no process id of ours.
    expect(pid === undefined).toBe(redis.source === 'docker')
    if (pid !== undefined) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
    await expect(redis.pause()).rejects.toThrow(/not running/)
  })

  it('asks for a password with its own commands, too', async () => {
    await using redis = await startRedis({ args: ['--requirepass', 'p@ss:w/rd'] })
    expect(await redis.command('PING')).toBe('PONG')
    const client = new Redis(redis.url)
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
    const stranger = new Redis(redis.port, redis.host, { retryStrategy: null, lazyConnect: true })
    stranger.on('error', () => {})
    await expect(stranger.ping()).rejects.toThrow(/NOAUTH|Connection is closed/)
    stranger.disconnect()
  })

  it('names what it does not know', async () => {
    await using redis = await startRedis()
    await expect(redis.pause('replica')).rejects.toThrow('no such node: replica; there are redis')
    await expect(redis.failover()).rejects.toThrow(/nobody to fail over to/)
    await expect(startRedis({ mode: 'ring' as never })).rejects.toThrow(TypeError)
    await expect(startRedis({ args: ['--no-such-option', '1'] })).rejects.toThrow(/no-such-option/)
    await expect(startRedis({ version: '1.2', prefer: 'binary' })).rejects.toThrow(
      /Redis 1.2 was asked for/,
    )
  })
})

describe('replica', () => {
  it('replicates, and is promoted whether its master lives or not', async () => {
    await using redis = await startRedis({ mode: 'replica' })
    expect(redis.nodes.map((node) => node.role)).toEqual(['master', 'replica'])
    await redis.command('SET', 'a', '1')
    await waitFor(async () => (await redis.commandOn('replica', 'GET', 'a')) === '1', { what: 'a' })
    await expect(redis.commandOn('replica', 'SET', 'a', '2')).rejects.toThrow(/^READONLY/)

    expect((await redis.failover()).name).toBe('replica')
    await redis.command('SET', 'a', '3')
    await waitFor(async () => (await redis.commandOn('master', 'GET', 'a')) === '3', { what: 'a' })

    await redis.kill()
    expect((await redis.failover()).name).toBe('master')
    expect(await redis.command('GET', 'a')).toBe('3')
  })
})

describe('sentinel', () => {
  it('fails over on demand, and by itself when the master is frozen', async () => {
    await using redis = await startRedis({ mode: 'sentinel' })
    expect(redis.sentinels).toHaveLength(3)
    const client = new Redis({
      sentinels: (redis.sentinels ?? []).map(({ host, port }) => ({ host, port })),
      name: redis.masterName ?? '',
    })
    client.on('error', () => {})
    try {
      await client.set('a', '1')
      expect((await redis.failover()).name).toBe('replica')
      await waitFor(() => client.set('a', '2'), { what: 'a write to the new master' })
      expect(await redis.commandOn('replica', 'GET', 'a')).toBe('2')

      await waitFor(async () => (await redis.commandOn('master', 'GET', 'a')) === '2', {
        what: 'a',
      })
      await redis.pause('replica')
      expect((await redis.failover('replica')).name).toBe('master')
      expect(await redis.command('GET', 'a')).toBe('2')
    } finally {
      client.disconnect()
    }
  })
})

describe('cluster', () => {
  it('serves all slots, through the failover of a living, a frozen and a dead master', async () => {
    await using redis = await startRedis({ mode: 'cluster' })
    const roles = redis.nodes.map((node) => node.role)
    expect(roles).toEqual(['master', 'master', 'master', 'replica', 'replica', 'replica'])
    for (const node of redis.nodes) {
      expect(await redis.commandOn(node, 'CLUSTER', 'INFO')).toContain('cluster_state:ok')
    }
    const client = new Cluster([{ host: redis.host, port: redis.port }])
    client.on('error', () => {})
    const keys = Array.from({ length: 60 }, (_, i) => `key-${i}`)
    const writeAll = (value: string): Promise<unknown> =>
      Promise.all(keys.map((key) => client.set(key, value)))
    try {
      await writeAll('1')
      expect((await redis.failover('node-1')).name).toBe('node-4')
      await writeAll('2')
      // What has not reached the replica is lost with its master, as in real life.
      for (const pair of [
        ['node-2', 'node-5'],
        ['node-3', 'node-6'],
      ]) {
        await waitFor(
          async () => new Set(await Promise.all(pair.map((n) => offsetOf(redis, n)))).size === 1,
          {
            what: `${pair[1]} to have all of ${pair[0]}`,
          },
        )
      }
      await redis.pause('node-2')
      expect((await redis.failover('node-2')).name).toBe('node-5')
      await redis.kill('node-3')
      expect((await redis.failover('node-3')).name).toBe('node-6')
      expect(redis.nodes.filter((node) => node.role === 'master').map((node) => node.name)).toEqual(
        ['node-4', 'node-5', 'node-6'],
      )
      client.disconnect()
      const fresh = new Cluster([{ host: redis.host, port: redis.nodes[3]?.port ?? 0 }])
      fresh.on('error', () => {})
      expect(await Promise.all(keys.map((key) => fresh.get(key)))).toEqual(keys.map(() => '2'))
      fresh.disconnect()
    } finally {
      client.disconnect()
    }
  })
})
