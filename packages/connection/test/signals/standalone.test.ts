import { spawn } from 'node:child_process'
import { monitor, spawnWorkers, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { traceChannel } from '../../src/trace.ts'
import { channelLog, keyLog, majors, percentile, signalsOf, type TestSignals } from './harness.ts'
import type { WriterData } from './writer.ts'

const WRITER = new URL('./writer.ts', import.meta.url)

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

async function connections(): Promise<string[]> {
  const list = String(await redis.command('CLIENT', 'LIST'))
    .trim()
    .split('\n')
  // The last one asks.
  return list
    .filter((line) => !line.includes('cmd=client|list'))
    .map((line) => /name=(\S*)/.exec(line)?.[1] ?? '')
}

async function noSignalConnections(): Promise<boolean> {
  return !(await connections()).includes('corral:signals')
}

describe.each(majors)('signals of a standalone server, ioredis $major', ({ Redis }) => {
  let client: Redis
  let signals: TestSignals

  beforeEach(async () => {
    client = new Redis(redis.port, redis.host, { maxRetriesPerRequest: null })
    await client.ping()
    // Generous: a busy machine is not what is tested here.
    signals = signalsOf(client, { deadlineMs: 2_000 })
  })
  afterEach(async () => {
    await signals.close()
    client.disconnect()
    await waitFor(noSignalConnections, { what: 'signal connections to be gone' })
  })

  it('flushes, then says on, then tells writes, deletes and expiries by anybody', async () => {
    const log = keyLog()
    signals.watch('told:', log)
    await signals.whenOn(2_000)
    expect(log.events.slice(-2)).toEqual(['flush', 'ON'])
    log.clear()

    await redis.command('SET', 'told:set', '1', 'PX', '30')
    await redis.command('SET', 'untold:set', '1')
    await redis.command('HSET', 'told:hash', 'a', '1')
    await redis.command('DEL', 'told:hash')
    await client.set('told:own', '1')
    // Redis tells an expiry when it removes the key: here because somebody looks at it.
    await waitFor(async () => {
      await redis.command('EXISTS', 'told:set')
      return log.events.filter((event) => event === 'told:set').length === 2
    })
    await waitFor(() => log.seen.has('told:own'))
    expect(log.events.filter((event) => event === 'told:hash')).toHaveLength(2)
    expect(log.events).not.toContain('untold:set')
    expect(log.events).not.toContain('LOST')
  })

  it('tells FLUSHALL as flush, to every prefix', async () => {
    const [one, two] = [keyLog(), keyLog()]
    signals.watch('one:', one)
    signals.watch('two:', two)
    await signals.whenOn(2_000)
    one.clear()
    two.clear()
    await redis.command('FLUSHALL')
    await waitFor(() => one.events.length > 0 && two.events.length > 0)
    expect(one.events).toEqual(['flush'])
    expect(two.events).toEqual(['flush'])
  })

  it('tells a burst in groups, one call per message and prefix', async () => {
    const calls: (readonly string[])[] = []
    signals.watch('burst:', { ...keyLog(), keys: (keys) => void calls.push(keys) })
    await signals.whenOn(2_000)
    const script = "for i = 1, 5000 do redis.call('SET', 'burst:' .. i, 'x') end"
    await redis.command('EVAL', script, '0')
    await waitFor(() => calls.flat().length >= 5_000)
    expect(new Set(calls.flat()).size).toBe(5_000)
    expect(calls).toHaveLength(1)
  })

  it('hears channels, also those added later, and stops when asked to', async () => {
    const [one, two] = [channelLog(), channelLog()]
    const stop = signals.subscribe('corral:one', one)
    await signals.whenOn(2_000)
    signals.subscribe('corral:two', two)
    await signals.whenOn(2_000)
    expect((await connections()).filter((name) => name === 'corral:signals')).toHaveLength(1)

    await redis.command('PUBLISH', 'corral:one', 'first')
    await redis.command('PUBLISH', 'corral:two', 'second ü')
    await waitFor(() => two.events.includes('second ü'))
    expect(one.events).toEqual(['ARMING', 'ON', 'first'])
    stop()
    stop()
    await waitFor(async () => (await redis.command('PUBLISH', 'corral:one', 'third')) === 0)
    expect(one.events).not.toContain('third')
    await redis.command('PUBLISH', 'corral:two', 'fourth')
    await waitFor(() => two.events.includes('fourth'))
    expect(signals.state).toBe('on')
  })

  it('tells what another process writes within 20 ms p50', async () => {
    const log = keyLog()
    signals.watch('lat:', log)
    await signals.whenOn(2_000)
    const data: WriterData = { port: redis.port, prefix: 'lat:', count: 1_000, batch: 1 }
    await using workers = await spawnWorkers<[string, number][]>(WRITER, { count: 1, data })
    const written = (await workers.results()).flatMap((result) => result ?? [])
    await waitFor(() => written.every(([key]) => log.seen.has(key)), { what: 'all to be told' })
    const delays = written.map(([key, at]) => (log.times.get(key) ?? Infinity) - at)
    const [p50, p99] = [percentile(delays, 0.5), percentile(delays, 0.99)]
    console.log(`told by another process: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`)
    expect(delays).toHaveLength(1_000)
    expect(p50).toBeLessThan(20)
  })

  it('tells what redis-cli writes within 20 ms p50', async () => {
    const log = keyLog()
    signals.watch('cli:', log)
    await signals.whenOn(2_000)
    const cli = spawn(redis.cli ?? 'redis-cli', ['-h', redis.host, '-p', String(redis.port)], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    const delays: number[] = []
    for (let n = 0; n < 200; n += 1) {
      const key = `cli:${n}`
      const start = performance.now()
      cli.stdin.write(`SET ${key} x\n`)
      await waitFor(() => log.seen.has(key), { interval: 1, what: `${key} to be told` })
      delays.push(performance.now() - start)
    }
    cli.stdin.end()
    const p50 = percentile(delays, 0.5)
    console.log(
      `told by redis-cli (pipe, write and look every 1 ms included): p50 ${p50.toFixed(2)} ms`,
    )
    expect(p50).toBeLessThan(20)
  })

  it('loses no message and tells no loss while prefixes are added under load', async () => {
    const log = keyLog()
    signals.watch('load:', log)
    await signals.whenOn(2_000)
    log.clear()
    const data: WriterData = { port: redis.port, prefix: 'load:', count: 10_000, batch: 20 }
    await using workers = await spawnWorkers<[string, number][]>(WRITER, {
      count: 2,
      data,
      gates: ['start'],
    })
    const go = await workers.gate('start')
    let done = false
    const results = workers.results().finally(() => (done = true))
    go()
    let swaps = 0
    while (!done || swaps === 0) {
      const later = [keyLog(), keyLog()]
      const stops = later.map((each, i) => signals.watch(`late-${swaps}-${i}:`, each))
      await signals.whenOn(5_000)
      expect(later.map((each) => each.events.slice(-2))).toEqual([
        ['flush', 'ON'],
        ['flush', 'ON'],
      ])
      for (const stop of stops) stop()
      swaps += 1
    }
    const written = (await results).flatMap((result) => result ?? [])
    await waitFor(() => written.every(([key]) => log.seen.has(key)), {
      what: 'every write to be told',
    })
    console.log(
      `${written.length} writes told over ${swaps} swaps, ${log.events.length - written.length} twice`,
    )
    expect(written).toHaveLength(20_000)
    expect(swaps).toBeGreaterThan(5)
    expect(log.events.filter((event) => !event.startsWith('load:'))).toEqual([])
    await waitFor(
      async () => (await connections()).filter((name) => name === 'corral:signals').length === 1,
    )
  })

  it('makes one swap of what is asked for in one tick', async () => {
    signals.watch('first:', keyLog())
    await signals.whenOn(2_000)
    const before = await idOfLastClient()
    for (let n = 0; n < 10; n += 1) signals.watch(`tick-${n}:`, keyLog())
    expect(signals.state).toBe('arming')
    await signals.whenOn(2_000)
    // Ids count connections: the one swapped in, and the two that asked.
    expect((await idOfLastClient()) - before).toBe(2)
  })

  it('is lost when its connection is killed, and comes back with a flush', async () => {
    const log = keyLog()
    const channel = channelLog()
    signals.watch('kill:', log)
    signals.subscribe('corral:kill', channel)
    await signals.whenOn(2_000)
    log.clear()
    channel.events.length = 0
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await waitFor(() => log.events.at(-1) === 'ON' && channel.events.at(-1) === 'ON')
    expect(log.events).toEqual(['LOST', 'flush', 'ON'])
    expect(channel.events).toEqual(['LOST', 'ON'])
    await redis.command('SET', 'kill:1', 'x')
    await redis.command('PUBLISH', 'corral:kill', 'x')
    await waitFor(() => log.seen.has('kill:1') && channel.events.includes('x'))
  })

  it('adds one connection, and nothing of it runs on the shared one', async () => {
    const [shared] = String(await client.call('CLIENT', 'INFO')).match(/(?<=addr=)\S+/) ?? []
    const before = await connections()
    const listeners = client.eventNames().map((name) => client.listenerCount(name))
    await using watching = await monitor(redis)
    signals.watch('mon:', keyLog())
    signals.subscribe('corral:mon', channelLog())
    await signals.whenOn(2_000)
    signals.watch('mon-2:', keyLog())
    await signals.whenOn(2_000)
    await client.set('mon:1', 'x')
    await waitFor(
      async () => (await connections()).filter((name) => name === 'corral:signals').length === 1,
    )
    const commands = await watching.commands()
    expect(commands.map((command) => command.name)).toContain('SUBSCRIBE')
    expect(
      commands.filter((command) => command.client === shared).map((command) => command.name),
    ).toEqual(['SET'])
    await signals.close()
    await waitFor(noSignalConnections)
    expect(client.eventNames().map((name) => client.listenerCount(name))).toEqual(listeners)
    // What MONITOR itself holds open is not the signals'.
    expect((await connections()).length - before.length).toBeLessThanOrEqual(2)
  })

  it('takes the client as BullMQ wraps it', async () => {
    const queue = new Queue('wrapped', { connection: client })
    const wrapped = (await queue.getBackend().client) as unknown as Redis
    expect(wrapped).not.toBe(client)
    const mine = signalsOf(wrapped)
    const log = keyLog()
    mine.watch('wrapped:', log)
    await mine.whenOn(2_000)
    await redis.command('SET', 'wrapped:1', 'x')
    await waitFor(() => log.seen.has('wrapped:1'))
    expect(log.events).toEqual(['ARMING', 'flush', 'ON', 'wrapped:1'])
    await mine.close()
    await queue.close()
  })

  it('answers a heartbeat each second in subscriber mode', async () => {
    const log = keyLog()
    await using watching = await monitor(redis)
    signals.watch('beat:', log)
    await waitFor(
      async () =>
        (await watching.commands()).filter((command) => command.name === 'PING').length >= 3,
      { what: 'three heartbeats' },
    )
    expect(log.events).toEqual(['ARMING', 'flush', 'ON'])
  })

  it('goes on when a listener throws or rejects, and says so on the trace', async () => {
    const messages: string[] = []
    const listen = (message: unknown): void =>
      void messages.push((message as { message: string }).message)
    const warnings = traceChannel('corral:connection:warning')
    warnings.subscribe(listen)
    const log = keyLog()
    signals.watch('bad:', {
      keys: () => {
        throw new RangeError('secret-value')
      },
      flush: () => {
        throw new Error('secret-value')
      },
      state: () => Promise.reject(new Error('secret-value')) as never,
    })
    signals.watch('bad:', log)
    await signals.whenOn(2_000)
    await redis.command('SET', 'bad:1', 'x')
    await waitFor(() => log.seen.has('bad:1'))
    warnings.unsubscribe(listen)
    expect(messages).toEqual(['A listener of signals for "bad:" threw (Error)'])
  })

  it('refuses prefixes that overlap or are empty, and anything after close', async () => {
    const stop = signals.watch('over:lap:', keyLog())
    expect(() => signals.watch('over:', keyLog())).toThrow(TypeError)
    expect(() => signals.watch('over:lap:more', keyLog())).toThrow(/must not overlap/)
    expect(() => signals.watch('', keyLog())).toThrow(/must not be empty/)
    await signals.whenOn(2_000)
    stop()
    const log = keyLog()
    signals.watch('over:', log)
    await signals.whenOn(2_000)
    await redis.command('SET', 'over:lap:1', 'x')
    await waitFor(() => log.seen.has('over:lap:1'))
    signals.watch('never-armed:', keyLog())
    const waiting = signals.whenOn(10_000).catch((error: unknown) => error)
    await signals.close()
    expect(await waiting).toMatchObject({ code: 'CONNECTION_CLOSED' })
    expect(log.events.at(-1)).toBe('OFF')
    expect(() => signals.watch('x:', keyLog())).toThrow(/closed/)
    await expect(signals.whenOn(10)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
  })

  it('closes its connection when nobody has listened for a while, and opens it again', async () => {
    const stop = signals.watch('idle:', keyLog())
    await signals.whenOn(2_000)
    stop()
    expect(signals.state).toBe('off')
    await waitFor(noSignalConnections, { what: 'the idle connection to close' })
    const log = keyLog()
    signals.watch('idle:', log)
    await signals.whenOn(2_000)
    expect(log.events).toEqual(['ARMING', 'flush', 'ON'])
  })

  async function idOfLastClient(): Promise<number> {
    const list = String(await redis.command('CLIENT', 'LIST')).matchAll(/^id=(\d+)/gm)
    return Math.max(...[...list].map((match) => Number(match[1])))
  }
})
