import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { traceChannel } from '../../src/trace.ts'
import { channelLog, keyLog, majors, signalsOf } from './harness.ts'

const PASSWORD = 'hunter2-is-secret'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

describe.each(majors)('what a server refuses, ioredis $major', ({ Redis }) => {
  async function asUser(...rules: string[]) {
    await redis.command(
      'ACL',
      'SETUSER',
      'limited',
      'reset',
      'on',
      `>${PASSWORD}`,
      '~*',
      '&*',
      '+@all',
      ...rules,
    )
    const client = new Redis({
      host: redis.host,
      port: redis.port,
      username: 'limited',
      password: PASSWORD,
      lazyConnect: true,
    })
    return { client, signals: signalsOf(client) }
  }

  it.each([
    { what: 'CLIENT TRACKING', rules: ['-client|tracking'] },
    { what: 'CLIENT ID', rules: ['-client|id'] },
    { what: 'the invalidation channel', rules: ['resetchannels', '&corral:*'] },
  ])('without $what: channels only, said in health, warned once', async ({ rules }) => {
    const { client, signals } = await asUser(...rules)
    const log = keyLog()
    const channel = channelLog()
    signals.watch('r:', log)
    signals.subscribe('corral:r', channel)
    await waitFor(() => channel.events.includes('ON'))
    await redis.command('PUBLISH', 'corral:r', 'hello')
    await waitFor(() => channel.events.includes('hello'))
    expect(signals.tracking).toBe(false)
    expect(signals.state).toBe('on')
    expect(signals.health()).toMatchObject({
      state: 'on',
      tracking: false,
      reason: 'CLIENT TRACKING: NOPERM',
    })
    expect(log.events).toEqual(['ARMING', 'LOST'])
    await expect(signals.whenOn(5_000)).rejects.toThrow(/not supported here/)

    channel.events.length = 0
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await waitFor(() => channel.events.at(-1) === 'ON')
    expect(log.events).not.toContain('ON')
    expect(signals.warnings).toHaveLength(1)
    expect(signals.warnings[0]).toMatch(/^SIGNALS_UNSUPPORTED: /)

    // Allowed later: the next connection has it.
    await redis.command('ACL', 'SETUSER', 'limited', '+@all', '&*')
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await waitFor(() => log.events.at(-1) === 'ON')
    expect(signals.tracking).toBe(true)
    await signals.close()
    client.disconnect()
  })

  it('goes on without INFO', async () => {
    const { client, signals } = await asUser('-info')
    const log = keyLog()
    signals.watch('r:', log)
    await signals.whenOn(2_000)
    await redis.command('SET', 'r:1', 'x')
    await waitFor(() => log.seen.has('r:1'))
    expect(log.events).toEqual(['ARMING', 'flush', 'ON', 'r:1'])
    await signals.close()
    client.disconnect()
  })

  it('says which channel cannot be heard without harming the others', async () => {
    const { client, signals } = await asUser('resetchannels', '&__redis__:invalidate', '&corral:*')
    const [good, bad, late] = [channelLog(), channelLog(), channelLog()]
    signals.subscribe('corral:good', good)
    signals.subscribe('other:bad', bad)
    await waitFor(() => good.events.includes('ON'))
    signals.subscribe('other:late', late)
    await waitFor(() => late.events.includes('LOST'))
    expect(bad.events.at(-1)).toBe('LOST')
    await redis.command('PUBLISH', 'corral:good', 'hello')
    await waitFor(() => good.events.includes('hello'))
    expect(signals.health().reason).toBe('SUBSCRIBE: NOPERM')
    await signals.close()
    client.disconnect()
  })

  it('keeps the password out of everything it says', async () => {
    const said: unknown[] = []
    const listen = (message: unknown): void => void said.push(message)
    const trace = traceChannel('corral:connection:signals')
    trace.subscribe(listen)
    const { client, signals } = await asUser()
    await redis.command('ACL', 'SETUSER', 'limited', 'resetpass', '>another')
    signals.watch('r:', keyLog())
    await waitFor(() => signals.health().reason === 'WRONGPASS')
    const error: unknown = await signals.whenOn(100).catch((reason: unknown) => reason)
    trace.unsubscribe(listen)
    expect(error).toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    expect(said).toContainEqual(
      expect.objectContaining({ state: 'lost', node: 'redis', reason: 'WRONGPASS' }),
    )
    expect(JSON.stringify([said, signals.health(), String(error), signals.warnings])).not.toContain(
      PASSWORD,
    )
    await signals.close()
    client.disconnect()
  })

  it('opens nothing when signals are turned off', async () => {
    const client = new Redis(redis.port, redis.host, { lazyConnect: true })
    const signals = signalsOf(client, {
      enabled: false,
      masters: () => {
        throw new Error('looked for a server')
      },
    })
    const log = keyLog()
    const stop = signals.watch('off:', log)
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    expect(signals.state).toBe('off')
    expect(log.events).toEqual([])
    stop()
    await signals.close()
    client.disconnect()
  })
})
