import { startRedis, type TestRedis, waitFor } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Connection, shareConnection } from '../../src/index.ts'
import {
  allDrivers,
  type Bull,
  type Client,
  type Driver,
  ignore,
  SHARED,
} from '../guard/drivers.ts'

const QUIET = { signals: false, onWarning: ignore } as const

let redis: TestRedis
const leftovers: (() => Promise<unknown> | void)[] = []

beforeAll(async () => {
  redis = await startRedis({ prefer: 'binary' })
})

afterAll(async () => {
  for (const end of leftovers.toReversed()) await end()
  await redis.stop()
})

function openClient({ Redis }: Driver, options: object = {}): Client {
  const client = new Redis({ port: redis.port, host: redis.host, ...SHARED, ...options })
  client.on('error', ignore)
  leftovers.push(() => client.disconnect())
  return client
}

function keep<Source extends Bull>(bull: Source): Source {
  bull.on('error', ignore)
  leftovers.push(() => bull.close())
  return bull
}

/** How many handles on one guard there are, told by who refuses other options. */
function sharesWith(source: object, deadline: '201ms' | '202ms'): boolean {
  try {
    const probe = shareConnection(source, { ...QUIET, deadline })
    void probe.close()
    return false
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toContain('deadline')
    return true
  }
}

async function works(connection: Connection): Promise<void> {
  const key = `source:${Math.random()}`
  await waitFor(() => connection.set(key, 'here').then(() => true), { what: 'the connection' })
  expect(await connection.get(key)).toBe('here')
}

describe.each(allDrivers)('$name', (driver) => {
  it('shares one guard among all handles on one client, and counts them', async () => {
    const client = openClient(driver)
    const queue = keep(new driver.Queue('mail', { connection: client }))
    const worker = keep(new driver.Worker('mail', () => Promise.resolve(), { connection: client }))
    const flows = keep(new driver.FlowProducer({ connection: client }))
    const first = shareConnection(client, { ...QUIET, deadline: '201ms' })
    const errors = client.listeners('error').length

    const others = [queue, worker, flows, first].map((source) =>
      shareConnection(source, { deadline: '201ms' }),
    )
    expect(client.listeners('error')).toHaveLength(errors)
    for (const source of [client, queue, worker, flows, first])
      expect(sharesWith(source, '202ms')).toBe(true)
    for (const connection of [first, ...others]) await works(connection)

    await Promise.all(others.map((connection) => connection.close()))
    await works(first)
    expect(sharesWith(client, '202ms')).toBe(true)
    await first.close()
    // The last handle gone, the next one starts anew.
    expect(sharesWith(client, '202ms')).toBe(false)
  })

  it('takes BullMQ objects that were made with options, and the client that they hold', async () => {
    const options = { connection: { port: redis.port, host: redis.host } }
    for (const source of [
      keep(new driver.Queue('made', options)),
      keep(new driver.Worker('made', () => Promise.resolve(), options)),
      keep(new driver.FlowProducer(options)),
    ]) {
      const connection = shareConnection(source, { ...QUIET, deadline: '201ms' })
      await works(connection)
      const client = await heldBy(source)
      expect(sharesWith(client, '202ms')).toBe(true)
      const again = shareConnection(client)
      await works(again)
      await connection.close()
      await works(again)
      await again.close()
      expect(sharesWith(client, '202ms')).toBe(false)
    }
  })

  it('fails fast while a BullMQ object made with options waits for its first connect', async () => {
    const later = await startRedis({ prefer: 'binary' })
    leftovers.push(() => later.stop())
    await later.kill()
    const options = { connection: { port: later.port, host: later.host, retryStrategy: () => 50 } }
    const queue = keep(new driver.Queue('early', options))
    const connection = shareConnection(queue, QUIET)
    const times: number[] = []
    for (let i = 0; i < 8; i++) {
      const askedAt = performance.now()
      await expect(connection.get('a')).rejects.toMatchObject({ reason: 'connecting' })
      times.push(performance.now() - askedAt)
    }
    expect(times[0]).toBeGreaterThan(190)
    expect(Math.max(...times.slice(5))).toBeLessThan(20)
    await later.restart()
    await works(connection)
    await connection.close()
  })

  it('joins the guard of a client that comes by a promise after others shared it', async () => {
    const client = openClient(driver)
    const first = shareConnection(client, { ...QUIET, deadline: '201ms' })
    const told: boolean[] = []
    const promised = shareConnection(Promise.resolve(client), QUIET)
    promised.onAvailability((available) => told.push(available))
    await works(promised)
    expect(promised.available).toBe(true)
    promised.isolate()
    await expect(first.get('a')).rejects.toMatchObject({ reason: 'isolated' })
    first.reset()
    await works(promised)
    expect(told.filter(Boolean).length).toBeGreaterThan(0)

    const different = shareConnection(Promise.resolve(client), { ...QUIET, deadline: '202ms' })
    await expect(different.get('a')).rejects.toThrow(TypeError)
    await different.close()
    await promised.close()
    await works(first)
    await first.close()
    expect(sharesWith(client, '202ms')).toBe(false)
  })

  it('joins the guard of a Connection that comes by a promise, however that came by its client', async () => {
    const client = openClient(driver)
    const first = shareConnection(client, { ...QUIET, deadline: '201ms' })
    const late = shareConnection(Promise.resolve(client), QUIET)
    const events = keep(new driver.QueueEvents('mail', { connection: openClient(driver) }))
    const blocked = shareConnection(events, QUIET)
    for (const source of [first, late, blocked]) {
      const connection = shareConnection(Promise.resolve(source), QUIET)
      await works(connection)
      source.isolate()
      await expect(connection.get('a')).rejects.toMatchObject({ reason: 'isolated' })
      source.reset()
      const again = shareConnection(connection, QUIET)
      await connection.close()
      await works(again)
      await again.close()
      await works(source)
    }
    const different = shareConnection(Promise.resolve(first), { ...QUIET, deadline: '202ms' })
    await expect(different.get('a')).rejects.toThrow(TypeError)
    await Promise.all([different, first, late, blocked].map((connection) => connection.close()))
    const ended = shareConnection(Promise.resolve(first), QUIET)
    await expect(ended.get('a')).rejects.toThrow('this connection was closed')
    await ended.close()
    expect(sharesWith(client, '202ms')).toBe(false)
  })

  it('rides on a duplicate of the connection that QueueEvents blocks, and closes it', async () => {
    for (const connection of [openClient(driver), { port: redis.port, host: redis.host }]) {
      const events = keep(new driver.QueueEvents('mail', { connection }))
      await events.waitUntilReady()
      const before = await countClients()
      const shared = shareConnection(events, QUIET)
      await works(shared)
      expect(await countClients()).toBe(before + 1)
      await shared.close()
      await waitFor(async () => (await countClients()) === before, { what: 'the duplicate to go' })
    }
  })

  it('connects a lazy client once', async () => {
    const client = openClient(driver, { lazyConnect: true })
    let connects = 0
    client.on('connecting', () => connects++)
    const connection = shareConnection(client, { ...QUIET, deadline: '2s' })
    shareConnection(client)
    const values = await Promise.all([
      connection.get('none'),
      connection.get('none'),
      connection.delete('none'),
    ])
    expect(values).toEqual([null, null, false])
    expect(connects).toBe(1)
  })

  it('refuses a keyPrefix', () => {
    const client = openClient(driver, { keyPrefix: 'app:' })
    expect(() => shareConnection(client, QUIET)).toThrow(/keyPrefix/)
  })

  it('comes back when an ended client is connected again', async () => {
    const client = openClient(driver)
    const connection = shareConnection(client, QUIET)
    await works(connection)
    client.disconnect()
    await waitFor(() => client.status === 'end', { what: 'the end' })
    await expect(connection.get('a')).rejects.toMatchObject({ reason: 'not-ready' })
    await client.connect()
    await works(connection)
    await connection.close()
  })
})

async function heldBy(source: Bull): Promise<object> {
  const bull = source as unknown as {
    getBackend?(): { client: Promise<object> }
    client: Promise<object>
  }
  return bull.getBackend === undefined ? bull.client : bull.getBackend().client
}

async function countClients(): Promise<number> {
  return String(await redis.command('CLIENT', 'LIST'))
    .split('\n')
    .filter(Boolean).length
}

describe('a source that is none', () => {
  it.each([
    ['a node-redis client', { sendCommand() {}, isOpen: true, isReady: true }, /@keyv\/redis/],
    [
      'a promise of a node-redis client',
      Promise.resolve({ sendCommand() {}, isOpen: true }),
      /@keyv\/redis/,
    ],
    ['a URL', 'redis://:secret@127.0.0.1', /openConnection\(url\)/],
    ['a plain object', {}, /expected an ioredis Redis or Cluster.*received a plain object/],
    ['null', null, /received null/],
    ['a number', 6379, /received a number/],
    ['nothing', undefined, /received undefined$/],
    ['a Map', new Map(), /received a Map/],
  ])('is refused: %s', async (_name, source, message) => {
    const call = async (): Promise<unknown> => {
      await using connection = shareConnection(source as object, QUIET)
      return await connection.get('a')
    }
    await expect(call()).rejects.toThrow(message)
    await expect(call()).rejects.toThrow(TypeError)
    await expect(call()).rejects.not.toThrow(/secret/)
  })

  it('is refused without the reason of a promise that rejected', async () => {
    const rejected = Promise.reject(
      Object.assign(new Error('WRONGPASS for canary-1'), { args: ['canary-1'] }),
    )
    const connection = shareConnection(rejected, QUIET)
    await expect(connection.get('a')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await expect(connection.get('a')).rejects.not.toThrow(/canary/)
    await connection.close()
  })
})
