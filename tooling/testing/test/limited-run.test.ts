import { Cluster, Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startRedis } from '../src/index.ts'

beforeEach(() => vi.stubEnv('CORRAL_TEST_ACL', '1'))
afterEach(() => vi.unstubAllEnvs())

describe('a run under the least account', () => {
  it('lets clients do no more, the harness everything, and tells at the end what was refused', async () => {
    const redis = await startRedis({ prefer: 'binary' })
    const client = new Redis(redis.url)
    await client.set('a', '1')
    expect(await redis.command('CONFIG', 'GET', 'maxmemory')).toHaveLength(2)
    await expect(client.config('GET', 'maxmemory')).rejects.toThrow(/^NOPERM/)
    client.disconnect()
    await expect(redis.stop()).rejects.toThrow('does not allow: command config|get (config|get, ')
  })

  it('remembers what was refused by a server that was killed', async () => {
    const redis = await startRedis({ prefer: 'binary', args: ['--requirepass', 'secret'] })
    const client = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 })
    client.on('error', () => {})
    await expect(client.flushall()).rejects.toThrow(/^NOPERM/)
    await redis.kill()
    await redis.restart()
    await client.ping()
    await redis.pause()
    client.disconnect()
    await expect(redis.stop()).rejects.toThrow('command flushall')
  })

  it('has replicas, sentinels and clusters that work', async () => {
    await using pair = await startRedis({ mode: 'sentinel', prefer: 'binary' })
    const sentinels = (pair.sentinels ?? []).map(({ host, port }) => ({ host, port }))
    const client = new Redis({ sentinels, name: pair.masterName ?? '' })
    client.on('error', () => {})
    expect(await client.set('a', '1')).toBe('OK')
    await pair.failover()
    client.disconnect()

    await using nodes = await startRedis({ mode: 'cluster', prefer: 'binary' })
    const cluster = new Cluster([{ host: nodes.host, port: nodes.port }])
    expect(await Promise.all(['a', 'b', 'c'].map((key) => cluster.set(key, '1')))).toHaveLength(3)
    await nodes.failover()
    cluster.disconnect()
  })
})
