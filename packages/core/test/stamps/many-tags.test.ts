import { shareConnection } from '@corral/connection'
import { startRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { createCache } from '../../src/index.ts'

test.each([true, false])(
  'one call reads entries that have more tags together than are kept, signals: %s',
  async (signals) => {
    await using server = await startRedis()
    const client = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
    const connection = shareConnection(client, { signals, deadline: '10s' })
    const [writer, reader] = [1, 2].map(() => createCache({ connection, namespace: 'n' }))
    try {
      const entries = Array.from({ length: 12 }, (_, value) => {
        const tags = Array.from({ length: 1_000 }, (_tag, n) => `${value}:${n}`)
        return { key: `k${value}`, value, tags }
      })
      await writer?.setMany(entries)
      const keys = entries.map(({ key }) => key)
      const values: unknown[] = entries.map(({ value }) => value)
      expect(await reader?.getMany(keys)).toEqual(values)
      await writer?.invalidateTags(['7:999'])
      values[7] = undefined
      expect(await reader?.getMany(keys)).toEqual(values)
    } finally {
      await Promise.all([writer?.close(), reader?.close()])
      await connection.close()
      client.disconnect()
    }
  },
)
