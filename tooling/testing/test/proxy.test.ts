import { connect as dial } from 'node:net'
import { Cluster, Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  settlesWithin,
  startProxy,
  startRedis,
  waitFor,
  type FaultProxy,
  type TestRedis,
} from '../src/index.ts'

let redis: TestRedis
let proxy: FaultProxy
const clients: Redis[] = []

beforeEach(async () => {
  redis = await startRedis()
  proxy = await startProxy({ target: redis })
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  await proxy.close()
  await redis.stop()
})

async function connect(options: { retryStrategy?: () => number | null } = {}): Promise<Redis> {
  const client = new Redis(proxy.port, proxy.host, {
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
    ...options,
  })
  client.on('error', () => {})
  clients.push(client)
  await client.ping()
  return client
}

async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await run()
  return performance.now() - start
}

/** Lets what was written leave as a piece of its own. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('slow lines', () => {
  it('delays each direction, without adding up over commands that travel together', async () => {
    const client = await connect()
    proxy.latency(40)
    const single = await timeOf(() => client.ping())
    expect(single).toBeGreaterThanOrEqual(79)
    expect(single).toBeLessThan(300)
    const together = await timeOf(async () => {
      const sets: Promise<unknown>[] = []
      for (let i = 0; i < 50; i++) {
        sets.push(client.set(`key-${i}`, 'x'.repeat(10_000)))
        await nextTurn()
      }
      await Promise.all(sets)
    })
    // Fifty pieces one behind the other: one round trip after the last of them, not fifty.
    expect(together).toBeLessThan(600)
    await proxy.heal()
    expect(await timeOf(() => client.ping())).toBeLessThan(40)
  })

  it('keeps the order under jitter', async () => {
    const client = await connect()
    proxy.latency(1, 20)
    const replies: number[] = []
    const sends: Promise<unknown>[] = []
    for (let i = 0; i < 30; i++) {
      sends.push(client.incr('n').then((n) => replies.push(n)))
      await nextTurn()
    }
    await Promise.all(sends)
    expect(replies).toEqual(Array.from({ length: 30 }, (_, i) => i + 1))
  })

  it('limits the bandwidth', async () => {
    const client = await connect()
    await client.set('big', 'x'.repeat(200_000))
    proxy.bandwidth(400_000)
    const slow = await timeOf(() => client.get('big'))
    expect(slow).toBeGreaterThan(450)
    expect(slow).toBeLessThan(1_500)
    proxy.bandwidth(Infinity)
    expect(await timeOf(() => client.get('big'))).toBeLessThan(300)
  })
})

describe('black holes', () => {
  it('lets nothing through and keeps connections open, then delivers late', async () => {
    const client = await connect()
    proxy.blackHole()
    const late = client.set('a', '1')
    expect(await settlesWithin(late, 150)).toBe(false)
    expect(client.status).toBe('ready')
    expect(await redis.command('GET', 'a')).toBeNull()
    await proxy.heal()
    expect(await late).toBe('OK')
    expect(await redis.command('GET', 'a')).toBe('1')
  })

  it('in one direction only: the server acts, its answer does not come', async () => {
    const client = await connect()
    proxy.blackHole('down')
    const unanswered = client.set('a', '1')
    await waitFor(async () => (await redis.command('GET', 'a')) === '1', { what: 'the write' })
    expect(await settlesWithin(unanswered, 50)).toBe(false)
    await proxy.heal()
    expect(await unanswered).toBe('OK')

    proxy.blackHole('up')
    const unheard = client.set('a', '2')
    expect(await settlesWithin(unheard, 50)).toBe(false)
    expect(await redis.command('GET', 'a')).toBe('1')
    await proxy.heal()
    expect(await unheard).toBe('OK')
  })

  it('hides from the server that its client has gone, and delivers what it had sent', async () => {
    const client = await connect({ retryStrategy: () => null })
    proxy.blackHole('up')
    client.set('late', '1').catch(() => {})
    await waitFor(() => proxy.stats().commands.some((c) => c.name === 'SET'), { what: 'the SET' })
    client.disconnect()
    expect(String(await redis.command('CLIENT', 'LIST'))).toMatch(/cmd=ping/)
    expect(await redis.command('GET', 'late')).toBeNull()
    await proxy.heal()
    await waitFor(async () => (await redis.command('GET', 'late')) === '1', {
      what: 'the late write',
    })
    await waitFor(() => proxy.stats().connections === 0, { what: 'the connection to end' })
  })

  it('accepts connections that then hear nothing', async () => {
    proxy.blackHole()
    const client = new Redis(proxy.port, proxy.host, { retryStrategy: () => null })
    clients.push(client)
    client.on('error', () => {})
    const reply = client.ping()
    await waitFor(() => client.status === 'connect', { what: 'the connection' })
    expect(await settlesWithin(reply, 100)).toBe(false)
    await proxy.heal()
    expect(await reply).toBe('PONG')
  })
})

describe('broken connections', () => {
  it('resets all of them', async () => {
    const client = await connect()
    const errors: string[] = []
    client.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? error.message))
    const closed = new Promise((resolve) => client.once('close', resolve))
    proxy.reset()
    await closed
    expect(errors).toContain('ECONNRESET')
    expect(await client.ping()).toBe('PONG')
    expect(proxy.stats()).toMatchObject({ accepted: 2, connections: 1 })
  })

  it('cuts in the middle of a reply; the client asks again', async () => {
    const client = await connect()
    await client.set('big', 'x'.repeat(50_000))
    proxy.clearStats()
    const cut = proxy.cutMidReply(1_000)
    const value = client.get('big')
    await cut
    expect(proxy.stats().bytesDown).toBeLessThan(50_000)
    expect(await value).toHaveLength(50_000)
    expect(proxy.stats().commands.filter((c) => c.name === 'GET')).toHaveLength(2)
  })

  it('lets exactly so many bytes of the reply through', async () => {
    await redis.command('SET', 'a', 'x'.repeat(100))
    const socket = dial(proxy.port, proxy.host)
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    const ended = new Promise((resolve) => socket.once('end', resolve))
    const cut = proxy.cutMidReply(10)
    socket.write('GET a\r\n')
    await Promise.all([cut, ended])
    expect(Buffer.concat(chunks).toString()).toBe('$100\r\nxxxx')
    socket.destroy()
  })

  it('drops a reply, so that the client sends again what the server has done', async () => {
    const client = await connect()
    const dropped = proxy.dropNextReply({ command: 'incr' })
    await client.get('unrelated')
    expect(await client.incr('n')).toBe(2)
    await dropped
    expect(proxy.stats().commands.filter((c) => c.name === 'INCR')).toHaveLength(2)
    expect(await redis.command('GET', 'n')).toBe('2')
  })

  it('gives a fault up when healed', async () => {
    const client = await connect()
    const dropped = proxy.dropNextReply({ command: 'incr' })
    await proxy.heal()
    await dropped
    expect(await client.incr('n')).toBe(1)
  })

  it('sends what the server never said', async () => {
    const client = await connect()
    proxy.blackHole('up')
    const asked = client.get('a')
    proxy.inject('$5\r\nstray\r\n')
    expect(await asked).toBe('stray')
  })

  it('refuses new connections and leaves open ones alone, until it is healed', async () => {
    const client = await connect()
    await proxy.refuse(true)
    expect(await client.ping()).toBe('PONG')
    const errors: string[] = []
    client.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''))
    proxy.reset()
    await waitFor(() => errors.includes('ECONNREFUSED'), { what: 'a refusal' })
    await proxy.heal()
    expect(await client.ping()).toBe('PONG')
  })

  it('passes on that the server is gone', async () => {
    const client = await connect()
    const closed = new Promise((resolve) => client.once('close', resolve))
    await redis.kill()
    await closed
    await waitFor(() => proxy.stats().accepted > 2, { what: 'attempts to reconnect' })
    await redis.restart()
    expect(await client.ping()).toBe('PONG')
  })
})

it('counts what clients send, held commands included, and when', async () => {
  const client = await connect()
  proxy.clearStats()
  const before = performance.now()
  await client.set('a', '1', 'PX', 5_000)
  proxy.blackHole()
  void client.ping().catch(() => {})
  await waitFor(() => proxy.stats().commands.length === 2, { what: 'both commands' })
  const { commands, bytesUp } = proxy.stats()
  expect(commands.map(({ name, args }) => [name, ...args])).toEqual([
    ['SET', 'a', '1', 'PX', '5000'],
    ['PING'],
  ])
  expect(commands.every(({ at }) => at >= before && at <= performance.now())).toBe(true)
  // Only the SET has reached the server.
  expect(bytesUp).toBe(
    Buffer.byteLength('*5\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\nPX\r\n$4\r\n5000\r\n'),
  )
})

it('stands in front of each node of a cluster', async () => {
  await using cluster = await startRedis({ mode: 'cluster' })
  const proxies = await Promise.all(cluster.nodes.map((target) => startProxy({ target })))
  const natMap = Object.fromEntries(
    cluster.nodes.map(({ host, port }, i) => [
      `${host}:${port}`,
      { host: '127.0.0.1', port: proxies[i]?.port ?? 0 },
    ]),
  )
  const client = new Cluster([{ host: '127.0.0.1', port: proxies[0]?.port ?? 0 }], { natMap })
  client.on('error', () => {})
  try {
    const keys = Array.from({ length: 60 }, (_, i) => `key-${i}`)
    await Promise.all(keys.map((key) => client.set(key, '1')))
    const sets = proxies.map((p) => p.stats().commands.filter((c) => c.name === 'SET').length)
    expect(sets.slice(0, 3).every((n) => n > 0)).toBe(true)
    expect(sets.reduce((a, b) => a + b)).toBe(60)
  } finally {
    client.disconnect()
    await Promise.all(proxies.map((p) => p.close()))
  }
})
