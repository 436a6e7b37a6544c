import { shareConnection } from '@corral/connection'
import { createCache } from '@corral/core'
import { startRedis, type TestRedis, waitFor } from '@corral/testing'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCacheClient } from '../src/index.ts'

const keys = Array.from({ length: 1_000 }, (_, n) => `user:${n}`)
const entries = keys.map((key, n) => ({ key, value: { n } }))

describe('a thousand keys on a cluster of which one master is frozen', () => {
  let server: TestRedis
  let cluster: Cluster

  beforeAll(async () => {
    server = await startRedis({ mode: 'cluster' })
    cluster = new Cluster([{ host: server.host, port: server.port }])
    cluster.on('error', () => {})
  }, 120_000)
  afterAll(async () => {
    cluster.disconnect()
    await server.stop()
  })

  it('come from the others, and each call names exactly those it could not reach', async () => {
    const masters = server.nodes.filter(({ role }) => role === 'master')
    const held = await Promise.all(
      masters.map(async (node) => {
        const slots = (await server.commandOn(node, 'CLUSTER', 'SLOTS')) as [
          number,
          number,
          [string, number],
        ][]
        return slots.flatMap(([from, to, [, port]]) => (port === node.port ? [{ from, to }] : []))
      }),
    )
    const slotOf = async (redisKey: string): Promise<number> =>
      Number(await server.commandOn(masters[0]!, 'CLUSTER', 'KEYSLOT', redisKey))
    const masterOf = async (redisKey: string): Promise<number> => {
      const slot = await slotOf(redisKey)
      return held.findIndex((ranges) => ranges.some(({ from, to }) => slot >= from && slot <= to))
    }
    const homes = await Promise.all(keys.map((key) => masterOf(`app::${key}`)))
    // Not the one that holds the stamp of the namespace, without which nothing can be trusted.
    const stamped = await masterOf('corral:stamp:{app}')
    const frozen = masters.findIndex((_, place) => place !== stamped)
    const lost = keys.filter((_, n) => homes[n] === frozen)
    expect(lost.length).toBeGreaterThan(200)

    const connection = shareConnection(cluster, { deadline: '1s' })
    const cache = createCache({ connection, namespace: 'app' })
    const client = createCacheClient({ cache })
    await waitFor(async () => (await client.bulkSet(entries)).ok, { timeout: 30_000 })
    const whole = await client.bulkGet<{ n: number }>([...keys, 'none'])
    expect(whole.map((value) => value?.n)).toEqual([...keys.keys(), undefined])
    expect(whole.failed).toEqual([])
    await server.pause(masters[frozen])
    try {
      const values = await client.bulkGet<{ n: number }>(keys)
      expect(values.failed).toEqual(lost)
      expect(values.map((value) => value?.n)).toEqual(
        keys.map((_, n) => (homes[n] === frozen ? undefined : n)),
      )
      expect(await client.bulkSet(entries)).toEqual({
        ok: false,
        done: keys.length - lost.length,
        failed: lost,
      })
      expect(await client.bulkDelete(keys)).toEqual({
        ok: false,
        done: keys.length - lost.length,
        failed: lost,
      })
    } finally {
      await server.resume(masters[frozen])
    }
    // What was not deleted then is now: nothing of it comes back.
    await waitFor(async () => {
      const after = await client.bulkGet(keys)
      return after.failed.length === 0 && after.every((value) => value === undefined)
    })
    client.close()
    await cache.close()
    await connection.close()
  })
})

describe('a thousand keys on a server that refuses some of them', () => {
  it('names the keys of the chunks that were refused', async () => {
    const server = await startRedis()
    const asRoot = new Redis(server.port, server.host, { maxRetriesPerRequest: null })
    const fill = createCacheClient({ cache: createCache({ connection: asRoot, namespace: 'app' }) })
    const all = [...keys.slice(0, 500), 'secret:1', ...keys.slice(500)]
    await waitFor(async () => (await fill.bulkSet([...entries, { key: 'secret:1', value: 1 }])).ok)
    const rights = ['on', '>word', '+@all', 'allchannels', '~app::user:*', '~corral:*']
    await server.command('ACL', 'SETUSER', 'app', ...rights)
    const redis = new Redis(server.port, server.host, {
      maxRetriesPerRequest: null,
      username: 'app',
      password: 'word',
    })
    const cache = createCache({ connection: redis, namespace: 'app' })
    const client = createCacheClient({ cache })
    try {
      await waitFor(async () => (await client.bulkGet(['user:0']))[0] !== undefined)
      const values = await client.bulkGet<{ n: number }>(all)
      expect(values.failed).toContain('secret:1')
      expect(values.failed.length).toBeLessThanOrEqual(100)
      for (const [place, key] of all.entries()) {
        expect([key, values[place] === undefined]).toEqual([key, values.failed.includes(key)])
      }
      const stored = await client.bulkSet(all.map((key) => ({ key, value: 1 })))
      expect(stored.failed).toContain('secret:1')
      expect(stored.done + stored.failed.length).toBe(all.length)
      const ones = await client.bulkGet(all)
      for (const [place, key] of all.entries()) {
        if (!stored.failed.includes(key) && !ones.failed.includes(key)) expect(ones[place]).toBe(1)
      }
    } finally {
      client.close()
      fill.close()
      await cache.close()
      await fill.cache.close()
      redis.disconnect()
      asRoot.disconnect()
      await server.stop()
    }
  })
})
