import {
  spawnWorkers,
  startProxy,
  startRedis,
  waitFor,
  type FaultProxy,
  type TestRedis,
} from '@corral/testing'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { channelLog, DEADLINE_MS, keyLog, majors, signalsOf, type TestSignals } from './harness.ts'
import type { WriterData } from './writer.ts'

const WRITER = new URL('./writer.ts', import.meta.url)
/** What this machine may be late by. */
const SLACK_MS = 250

let redis: TestRedis
let proxy: FaultProxy
beforeAll(async () => {
  redis = await startRedis()
  proxy = await startProxy({ target: redis })
})
afterAll(async () => {
  await proxy.close()
  await redis.stop()
})

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^TCP(Socket)?W/.test(name)).length
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

describe.each(majors)('loss of signals, ioredis $major', ({ Redis }) => {
  // Never connected: signals only duplicate it.
  let client: Redis
  let direct: Redis
  let signals: TestSignals

  beforeEach(async () => {
    await proxy.heal()
    client = new Redis(proxy.port, proxy.host, { lazyConnect: true, maxRetriesPerRequest: null })
    direct = new Redis(redis.port, redis.host, { lazyConnect: true, maxRetriesPerRequest: null })
    signals = signalsOf(client)
  })
  afterEach(async () => {
    await proxy.heal()
    await signals.close()
    client.disconnect()
    direct.disconnect()
  })

  const faults = [
    { fault: 'a black hole', begin: async () => proxy.blackHole(), end: () => proxy.heal() },
    {
      fault: 'silence towards us',
      begin: async () => proxy.blackHole('down'),
      end: () => proxy.heal(),
    },
    { fault: 'a frozen server', begin: () => redis.pause(), end: () => redis.resume() },
  ]
  it.each(faults)(
    'tells $fault within 1 s + deadline, and its end',
    async ({ fault, begin, end }) => {
      const log = keyLog()
      const channel = channelLog()
      signals.watch('loss:', log)
      signals.subscribe('corral:loss', channel)
      await signals.whenOn(2_000)
      log.clear()
      const since = performance.now()
      await begin()
      await waitFor(() => log.events.includes('LOST'), { interval: 1, timeout: 5_000 })
      const took = performance.now() - since
      console.log(`${fault} told after ${took.toFixed(0)} ms`)
      expect(took).toBeLessThan(1_000 + DEADLINE_MS + SLACK_MS)
      expect(signals.state).toBe('lost')
      expect(signals.health()).toMatchObject({ state: 'lost', reason: 'no-pong' })
      expect(channel.events.at(-1)).toBe('LOST')

      const healed = performance.now()
      await end()
      await waitFor(() => log.events.includes('ON'), { interval: 1 })
      console.log(`back ${(performance.now() - healed).toFixed(0)} ms after its end`)
      expect(log.events).toEqual(['LOST', 'flush', 'ON'])
      await redis.command('SET', 'loss:1', 'x')
      await waitFor(() => log.seen.has('loss:1'))
    },
  )

  it('is lost at once when the connection is reset, and tries on while nobody accepts', async () => {
    const log = keyLog()
    signals.watch('loss:', log)
    await signals.whenOn(2_000)
    log.clear()
    await proxy.refuse(true)
    const since = performance.now()
    proxy.reset()
    await waitFor(() => log.events.includes('LOST'), { interval: 1 })
    expect(performance.now() - since).toBeLessThan(SLACK_MS)
    await waitFor(() => signals.health().reason === 'ECONNREFUSED')
    await expect(signals.whenOn(300)).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await proxy.refuse(false)
    await signals.whenOn(3_000)
    expect(log.events).toEqual(['LOST', 'flush', 'ON'])
  })

  it('says lost, not arming, while the server was never there, and comes on by itself', async () => {
    await proxy.refuse(true)
    const log = keyLog()
    signals.watch('never:', log)
    await waitFor(() => log.events.includes('LOST'))
    await proxy.refuse(false)
    await signals.whenOn(3_000)
    expect(log.events).toEqual(['ARMING', 'LOST', 'flush', 'ON'])
  })

  it('takes no stall of our own event loop for a loss', async () => {
    await signals.close()
    signals = signalsOf(direct)
    const log = keyLog()
    signals.watch('stall:', log)
    await signals.whenOn(2_000)
    log.clear()
    const data: WriterData = { port: redis.port, prefix: 'stall:', count: 40_000, batch: 50 }
    await using workers = await spawnWorkers<[string, number][]>(WRITER, { count: 1, data })
    const results = workers.results()
    const sleeper = new Int32Array(new SharedArrayBuffer(4))
    for (let n = 0; n < 8; n += 1) {
      // In lengths that fall before, upon and behind heartbeat and deadline.
      Atomics.wait(sleeper, 0, 0, 150 + n * 160)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const written = (await results).flatMap((result) => result ?? [])
    await waitFor(() => written.every(([key]) => log.seen.has(key)), {
      what: 'every write to be told',
    })
    expect(log.events).not.toContain('LOST')
    expect(written).toHaveLength(40_000)
  })

  it('reads the old connection to its end before dropping it in a swap', async () => {
    // The old connection is slow, the new one is not: what the old one was sent is on its way
    // when the new one is armed.
    const { signals: mine, useDirect } = switchable()
    const log = keyLog()
    mine.watch('old:', log)
    await mine.whenOn(2_000)
    log.clear()
    proxy.latency(60)
    useDirect()
    await redis.command('SET', 'old:1', 'x')
    mine.watch('new:', keyLog())
    await mine.whenOn(2_000)
    expect(log.events).toEqual([])
    await waitFor(() => log.seen.has('old:1'))
    expect(log.events).toEqual(['old:1'])
    await waitFor(() => proxy.stats().connections === 0, { what: 'the old connection to close' })
    await mine.close()
  })

  it('tells a flush when the old connection dies in a swap before it is read to its end', async () => {
    const { signals: mine, useDirect } = switchable()
    const log = keyLog()
    mine.watch('old:', log)
    await mine.whenOn(2_000)
    log.clear()
    proxy.blackHole('down')
    useDirect()
    await redis.command('SET', 'old:1', 'x')
    mine.watch('new:', keyLog())
    await mine.whenOn(2_000)
    await waitFor(() => log.events.includes('flush'))
    expect(log.events).toEqual(['flush'])
    await mine.close()
  })

  it('keeps telling old prefixes when the new connection cannot be had', async () => {
    const log = keyLog()
    const late = keyLog()
    signals.watch('old:', log)
    await signals.whenOn(2_000)
    log.clear()
    await proxy.refuse(true)
    signals.watch('new:', late)
    await waitFor(() => signals.health().nodes[0]?.reason !== undefined)
    await redis.command('SET', 'old:1', 'x')
    await waitFor(() => log.seen.has('old:1'))
    expect(log.events).toEqual(['old:1'])
    expect(late.events).toEqual(['ARMING'])
    await proxy.refuse(false)
    await signals.whenOn(3_000)
    expect(late.events).toEqual(['ARMING', 'flush', 'ON'])
    expect(log.events).toEqual(['old:1'])
  })

  it('is lost while a slot has no master, and flushes when it has one', async () => {
    const topology = new Set<() => void>()
    let complete = true
    const mine = signalsOf(client, {
      complete: () => complete,
      onTopology(listener) {
        topology.add(listener)
        return () => void topology.delete(listener)
      },
    })
    const changed = (): void => {
      for (const listener of topology) listener()
    }
    const log = keyLog()
    mine.watch('slot:', log)
    await mine.whenOn(2_000)
    log.clear()
    complete = false
    changed()
    await waitFor(() => log.events.length > 0)
    expect(mine.state).toBe('lost')
    complete = true
    changed()
    await mine.whenOn(2_000)
    expect(log.events).toEqual(['LOST', 'flush', 'ON'])
    await mine.close()
    expect(topology.size).toBe(0)
  })

  it('closes in every state, leaving no socket and no timer', async () => {
    const states: Record<string, () => unknown> = {
      'nothing opened': () => {},
      'asked for': () => signals.watch('c:', keyLog()),
      connecting: async () => {
        signals.watch('c:', keyLog())
        await new Promise((resolve) => setImmediate(resolve))
      },
      arming: async () => {
        proxy.blackHole('down')
        signals.watch('c:', keyLog())
        await waitFor(() => proxy.stats().commands.length > 0)
      },
      on: async () => {
        signals.watch('c:', keyLog())
        await signals.whenOn(2_000)
      },
      'swap in progress': async () => {
        signals.watch('c:', keyLog())
        await signals.whenOn(2_000)
        proxy.blackHole('down')
        signals.watch('d:', keyLog())
        await waitFor(() => proxy.stats().connections === 2)
      },
      'old one being read': async () => {
        signals.watch('c:', keyLog())
        await signals.whenOn(2_000)
        proxy.latency(40)
        signals.watch('d:', keyLog())
        await signals.whenOn(2_000)
      },
      lost: async () => {
        signals.watch('c:', keyLog())
        await signals.whenOn(2_000)
        await proxy.refuse(true)
        proxy.reset()
        await waitFor(() => signals.state === 'lost')
      },
      frozen: async () => {
        signals.watch('c:', keyLog())
        await signals.whenOn(2_000)
        proxy.blackHole()
      },
    }
    for (const [name, reach] of Object.entries(states)) {
      await waitFor(() => proxy.stats().connections === 0, { what: `a fresh start for ${name}` })
      const before = { sockets: sockets(), timers: timers() }
      proxy.clearStats()
      signals = signalsOf(client)
      await reach()
      const since = performance.now()
      await Promise.all([signals.close(), signals.close()])
      expect(performance.now() - since, name).toBeLessThan(500)
      await proxy.heal()
      await waitFor(() => proxy.stats().connections === 0, { what: `no connection after ${name}` })
      await waitFor(() => sockets() <= before.sockets && timers() <= before.timers, {
        what: `no handle after ${name}: ${process.getActiveResourcesInfo().join()}`,
      })
    }
  })

  function switchable(): { signals: TestSignals; useDirect: () => void } {
    let source = client
    const mine = signalsOf(client, { masters: () => [{ name: 'redis', client: source }] })
    return { signals: mine, useDirect: () => void (source = direct) }
  }
})
