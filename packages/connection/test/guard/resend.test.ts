import { startProxy, startRedis, waitFor } from '@corral/testing'
import { describe, expect, it, vi } from 'vitest'
import { defineEachScript, shareConnection } from '../../src/index.ts'
import { drivers, type Driver, ignore } from './drivers.ts'

const mutation = vi.hoisted(() => ({ defuse: true }))

vi.mock('../../src/client/ioredis-like.ts', async (original) => {
  const real = await original<typeof import('../../src/client/ioredis-like.ts')>()
  const defuse: typeof real.defuse = (command) => void (mutation.defuse && real.defuse(command))
  return { ...real, defuse }
})

const increment = defineEachScript({
  name: 'test-increment',
  argsPerKey: 0,
  lua: `local out = {} for i, key in ipairs(KEYS) do out[i] = redis.call('INCR', key) end return out`,
})

const TIMES = 20

/** Twenty increments are done by the server, their replies are lost and the socket dies. */
async function loseReplies(driver: Driver, by: 'plain ioredis' | 'Corral'): Promise<number> {
  await using redis = await startRedis({ prefer: 'binary' })
  await using proxy = await startProxy({ target: redis })
  const client = new driver.Redis({
    host: proxy.host,
    port: proxy.port,
    maxRetriesPerRequest: null,
    retryStrategy: () => 20,
  })
  client.on('error', ignore)
  const connection = shareConnection(client, { signals: false, onWarning: ignore })
  await connection.set('warm', 'up')
  const lost = proxy.dropNextReply()
  const done = Array.from({ length: TIMES }, () =>
    by === 'Corral' ? connection.scriptEach(increment, 'count', []) : client.incr('count'),
  )
  const outcomes = Promise.allSettled(done)
  await lost
  await waitFor(() => client.status === 'ready', { what: 'the client to be back' })
  await client.call('ping')
  await outcomes
  await connection.close()
  client.disconnect()
  return Number(await redis.command('GET', 'count'))
}

describe.each(drivers)('20 increments whose replies were lost ($name)', (driver) => {
  it('count 40 by plain ioredis, which sends them again', async () => {
    expect(await loseReplies(driver, 'plain ioredis')).toBe(2 * TIMES)
  })

  it('count 20 by Corral', async () => {
    expect(await loseReplies(driver, 'Corral')).toBe(TIMES)
  })

  it('would count 40 if the commands were not defused', async () => {
    mutation.defuse = false
    try {
      expect(await loseReplies(driver, 'Corral')).toBe(2 * TIMES)
    } finally {
      mutation.defuse = true
    }
  })
})
