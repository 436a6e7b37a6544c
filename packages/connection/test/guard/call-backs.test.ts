import { startRedis, type TestRedis, waitFor } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { shareConnection } from '../../src/index.ts'
import { type Client, type Driver, drivers, ignore, SHARED } from './drivers.ts'

const QUIET = { signals: false, onWarning: ignore } as const

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis({ prefer: 'binary' })
})
afterAll(() => redis.stop())

function open({ Redis }: Driver): Client {
  const client = new Redis(redis.port, SHARED)
  client.on('error', ignore)
  return client
}

function fault(what: string): () => never {
  return () => {
    throw new Error(`fault in ${what}`)
  }
}

/** Runs `work` and tells what would have ended the process. */
async function uncaughtIn(work: () => Promise<void>): Promise<string[]> {
  const uncaught: string[] = []
  const others = process.listeners('uncaughtException')
  const note = (error: Error): void => void uncaught.push(error.message)
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', note)
  try {
    await work()
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('uncaughtException', note)
    for (const other of others) process.on('uncaughtException', other)
  }
  return uncaught
}

describe.each(drivers)('$name', (driver) => {
  it('tells all others when one call-back of a read throws', async () => {
    const client = open(driver)
    await using connection = shareConnection(client, QUIET)
    await connection.set('a', 'here')
    const uncaught = await uncaughtIn(async () => {
      connection.ask('a', { onBytes: fault('ask'), onError: ignore })
      const others = [connection.get('a'), connection.get('a')]
      expect(await Promise.all(others)).toEqual(['here', 'here'])

      await redis.pause()
      connection.ask('a', { onBytes: ignore, onError: fault('ask') })
      const refused = await Promise.allSettled([connection.get('a'), connection.getMany(['a'])])
      expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      await redis.resume()
    })
    expect(uncaught).toEqual(['fault in ask', 'fault in ask'])
    client.disconnect()
  })

  it('rejects a bulk call with what its own call-back threw', async () => {
    const client = open(driver)
    await using connection = shareConnection(client, QUIET)
    await connection.set('a', 'here')
    await redis.pause()
    const uncaught = await uncaughtIn(async () => {
      const bulk = connection.getMany(['a'], { onPartialFailure: fault('partial') })
      const other = connection.get('a')
      await expect(bulk).rejects.toThrow('fault in partial')
      await expect(other).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    })
    await redis.resume()
    expect(uncaught).toEqual([])
    client.disconnect()
  })

  it('names the keys of a failed part in a plain list', async () => {
    const client = open(driver)
    await using connection = shareConnection(client, QUIET)
    await connection.set('a', 'here')
    const failed: (readonly string[])[] = []
    await redis.pause()
    await connection.getMany(['a', 'b'], {
      onPartialFailure: (_error, keys) => void failed.push(keys),
    })
    await redis.resume()
    expect(failed).toEqual([['a', 'b']])
    // Nothing of our own stands on it: it can be sent to another thread.
    expect(failed.map((keys) => Object.keys(keys))).toEqual([['0', '1']])
    client.disconnect()
  })

  it.each(['answered', 'given up'] as const)(
    'has told each of many callers once when close() is over: %s',
    async (how) => {
      const client = open(driver)
      const connection = shareConnection(client, { ...QUIET, deadline: '5s' })
      await connection.set('a', 'here')
      const told = new Array<number>(190).fill(0)
      const tell = (index: number) => (): void => void told[index]!++
      if (how === 'given up') await redis.pause()
      told.forEach((_, index) =>
        connection.ask('a', { onBytes: tell(index), onError: tell(index) }),
      )
      await connection.close()
      await redis.resume()
      expect(new Set(told)).toEqual(new Set([1]))
      client.disconnect()
    },
  )

  it('goes on when a listener or onWarning throws', async () => {
    const client = open(driver)
    const uncaught = await uncaughtIn(async () => {
      const connection = shareConnection(client, { signals: false, onWarning: fault('warning') })
      const told: boolean[] = []
      connection.onAvailability(fault('listener'))
      connection.onAvailability((available) => told.push(available))
      await waitFor(() => connection.available, { what: 'the connection' })
      await waitFor(() => told.includes(true), { what: 'the other listener' })
      connection.isolate()
      expect(told.at(-1)).toBe(false)
      await connection.close()
    })
    expect(new Set(uncaught)).toEqual(new Set(['fault in warning', 'fault in listener']))
    client.disconnect()
  })
})
