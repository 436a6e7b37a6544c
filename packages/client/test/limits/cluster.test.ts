import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCacheClient, createConcurrencyLimiter, createRateLimiter } from '../../src/index.ts'
import { createCache } from '@corral/core'
import { type Bed, makeBed } from '../sessions/bed.ts'

let bed: Bed

beforeAll(async () => {
  bed = await makeBed('cluster')
}, 120_000)
afterAll(async () => {
  await bed.stop()
})

describe('limits on a cluster of six nodes', () => {
  it('count each of 300 subjects exactly, several rules in one step', async () => {
    const base = { connection: bed.connection, namespace: 'app' }
    const one = createRateLimiter(base, { algorithm: 'sliding-log', limit: 2, window: '1h' })
    const many = createRateLimiter(base, {
      name: 'many',
      limits: [
        { algorithm: 'fixed-window', limit: 3, window: '1h' },
        { algorithm: 'gcra', limit: 2, window: '1h' },
      ],
    })
    const places = createConcurrencyLimiter(base, { algorithm: 'concurrency', limit: 2 })
    const subjects = Array.from({ length: 300 }, (_, n) => `user:${n}`)
    for (const limiter of [one.consume, many.consume, places.acquire]) {
      const results = await Promise.all(
        subjects.flatMap((subject) => [1, 2, 3].map(() => limiter(subject))),
      )
      expect(results.every(({ source }) => source === 'redis')).toBe(true)
      expect(results.filter(({ allowed }) => allowed).length).toBe(600)
    }
    expect((await bed.keys()).filter((key) => key.startsWith('corral:limit:')).length).toBe(1_200)
    await many.reset('user:7')
    expect((await many.consume('user:7')).allowed).toBe(true)
    one.close()
    many.close()
  })

  it('and the client on them', async () => {
    const cache = createCache({ connection: bed.client, namespace: 'shop' })
    const client = createCacheClient({ cache })
    const results = await Promise.all(
      Array.from({ length: 20 }, () => client.incrementRateLimit('k', 60, 7)),
    )
    expect(results.filter(({ allowed }) => allowed).length).toBe(7)
    await client.bulkSet(Array.from({ length: 200 }, (_, n) => ({ key: `k${n}`, value: n })))
    const values = await client.bulkGet(Array.from({ length: 200 }, (_, n) => `k${n}`))
    expect(values).toEqual([...Array(200).keys()])
    await client.setUserCache('1', 'a', 1)
    expect(await client.deleteUserCache('1')).toBe(true)
    expect(await client.getUserCache('1', 'a')).toBeUndefined()
    client.close()
    await cache.close()
  })
})
