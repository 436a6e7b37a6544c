import { createCache } from '@corral/core'
import { describe, expect, it } from 'vitest'
import {
  type ClientBase,
  type ConnectedBase,
  createCacheClient,
  createConcurrencyLimiter,
  createFlags,
  createIncrementRateLimit,
  createRateLimiter,
  createSessions,
  createSessionStore,
} from './index.ts'

const withRedis = {
  createSessions,
  createSessionStore,
}
const alone = {
  createFlags,
  createIncrementRateLimit,
  createRateLimiter: (base: ClientBase) =>
    createRateLimiter(base, { algorithm: 'gcra', limit: 1, window: '1s' }),
  createConcurrencyLimiter: (base: ClientBase) =>
    createConcurrencyLimiter(base, { algorithm: 'concurrency', limit: 1 }),
}
const makers = Object.entries<(base: ConnectedBase) => unknown>({ ...withRedis, ...alone })

/** As far as Corral tells an ioredis client, and a BullMQ queue, by its shape. */
const redis = { options: {}, status: 'ready', sendCommand: () => {} }
const queue = { opts: {}, client: Promise.resolve(redis), connection: {} }

describe('what a part stands on', () => {
  it.each(makers)('%s refuses when it is made, unless it is a Connection', (_name, make) => {
    for (const connection of [redis, queue, Promise.resolve(redis), null, 'redis://localhost']) {
      const base = { connection, namespace: 'app' }
      expect(() => make(base as never)).toThrow(
        /^connection: must be a Connection, such as shareConnection makes of what you have, received /,
      )
    }
  })

  it.each(makers)('%s refuses without a namespace, or one that no cache has', (_name, make) => {
    // Without a connection of their own they are no base, but would do as one of this process alone.
    for (const base of [redis, { connection: undefined, namespace: 'a{b' }]) {
      expect(() => make(base as never)).toThrow(/^namespace: must /)
    }
    expect(() => make(undefined as never)).toThrow(/^base: must be an object, received undefined$/)
  })

  it.each(Object.entries(withRedis))('%s refuses to do without', (_name, make) => {
    const base = { connection: undefined, namespace: 'app' }
    expect(() => make(base as never)).toThrow(/^connection: must be a Connection.*undefined$/)
  })

  it.each([redis, queue, {}, undefined])('a client refuses what is no cache', (cache) => {
    expect(() => createCacheClient({ cache } as never)).toThrow(
      /^cache: must be one of createCache/,
    )
  })
})

describe('memoize', () => {
  it('refuses options that it does not know when the function is made', async () => {
    const cache = createCache({ namespace: 'app' })
    const client = createCacheClient({ cache })
    const made = (options: object) => () => client.memoize(async function one() {}, options)
    expect(made({ maxAge: 5 })).toThrow(
      /^maxAge: is no option of memoize \(name, .*\), received 5$/,
    )
    expect(made({ ttl: '5m', name: 'two', lease: {}, tags: ['a'] })).not.toThrow()
    client.close()
    await cache.close()
  })
})
