import { inspect } from 'node:util'
import { recordTrace, startRedis, waitFor } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { defineScript, openConnection, shareConnection } from '../../src/index.ts'
import { drivers, ignore, SHARED } from '../guard/drivers.ts'

const PASSWORD = 'canary-password'
const KEY = 'canary-key'
const VALUE = 'canary-value'
const CHANNELS = ['breaker', 'state', 'command', 'signals', 'warning']

/** Everything that a log line could show of a value. */
function shown(value: unknown): string {
  const seen: string[] = []
  for (let error = value, depth = 0; error !== undefined && depth < 5; depth++) {
    seen.push(
      inspect(error, { depth: 10, showHidden: true }),
      JSON.stringify(error) ?? '',
      error instanceof Error ? error.message : '',
    )
    if (!(error instanceof Error)) break
    seen.push(error.stack ?? '')
    error = error.cause
  }
  return seen.join('\n')
}

/** Collects all that leaks could come out of, while `run` goes on. */
async function everything(run: (note: (value: unknown) => void) => Promise<void>): Promise<string> {
  const notes: string[] = []
  const note = (value: unknown): void => void notes.push(shown(value))
  using trace = recordTrace(CHANNELS, 'corral:connection:')
  process.on('warning', note)
  await run(note)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', note)
  note(trace.events)
  return notes.join('\n')
}

const leaky = defineScript({
  name: 'test-leaky',
  lua: `return redis.error_reply('LEAKY ' .. ARGV[2] .. ' ' .. KEYS[1])`,
})
const broken = defineScript({
  name: 'test-broken',
  lua: `return redis.call('NONSENSE', KEYS[1], ARGV[2])`,
})

describe.each(drivers)('what leaves Corral ($name)', ({ Redis }) => {
  it('holds no password, key or value in any fault', async () => {
    await using redis = await startRedis({ prefer: 'binary', args: ['--requirepass', PASSWORD] })
    const text = await everything(async (note) => {
      const good = new Redis({ ...SHARED, port: redis.port, password: PASSWORD })
      good.on('error', ignore)
      const connection = shareConnection(good, {
        signals: false,
        deadline: '150ms',
        breaker: { openFor: '50ms' },
      })
      const attempts = async (): Promise<void> => {
        const calls = [
          connection.get(KEY),
          connection.set(KEY, VALUE),
          connection.set(KEY, VALUE.repeat(200_000)),
          connection.script(leaky, [KEY], [VALUE]),
          connection.script(broken, [KEY], [VALUE]),
          connection.read({ name: 'hget', key: KEY, args: [VALUE] }),
          connection.read({ name: 'getrange', key: KEY, args: [VALUE] }),
          connection.publish(`corral:${KEY}`, VALUE),
        ]
        for (const result of await Promise.allSettled(calls))
          if (result.status === 'rejected') note(result.reason)
        note(await connection.health())
      }
      await waitFor(() => connection.available)
      await attempts()
      await redis.command('CONFIG', 'SET', 'maxmemory', '1')
      await attempts()
      await redis.command('CONFIG', 'SET', 'maxmemory', '0')
      await redis.pause()
      await attempts()
      await attempts()
      await redis.resume()
      await redis.kill()
      await attempts()
      await connection.close()
      await attempts()
      note(connection)
      good.disconnect()
    })
    expect(text).toContain('LEAKY')
    expect(text).not.toContain('canary')
  })

  it('says that the password is wrong without saying which it was', async () => {
    await using redis = await startRedis({ prefer: 'binary', args: ['--requirepass', 'right'] })
    const text = await everything(async (note) => {
      const client = new Redis({
        ...SHARED,
        port: redis.port,
        username: 'default',
        password: PASSWORD,
      })
      client.on('error', ignore)
      const shared = shareConnection(client, { signals: false })
      await waitFor(
        async () => {
          const error: unknown = await shared.get('a').catch((caught: unknown) => caught)
          note(error)
          return shown(error).includes('WRONGPASS')
        },
        { what: 'WRONGPASS as the cause' },
      )
      const health = await shared.health()
      note(health)
      expect(health.error).toContain('WRONGPASS')
      await shared.close()
      client.disconnect()
    })
    expect(text).not.toContain('canary')
  })
})

describe('openConnection', () => {
  it.each([
    [`http://user:${PASSWORD}@127.0.0.1`, /scheme must be redis: or rediss:, received 'http:'/],
    [`redis://:${PASSWORD}@`, /host is missing|no URL/],
    [`not a url ${PASSWORD}`, /no URL/],
    [`redis://:${PASSWORD}@127.0.0.1?keyPrefix=x`, /keyPrefix/],
    [{ host: '127.0.0.1', password: PASSWORD, keyPrefix: 'x' }, /keyPrefix/],
    [{ cluster: [], redisOptions: { password: PASSWORD } }, /at least one node/],
    [{ cluster: [`http://:${PASSWORD}@h`] }, /scheme/],
    [{ cluster: `redis://:${PASSWORD}@h` as never }, /received a string/],
    [`${PASSWORD}:user@127.0.0.1:6379`, /the scheme must be redis: or rediss:$/],
    [42 as unknown as string, /received 42/],
  ])('refuses a bad target and tells why, without the password (%#)', (target, message) => {
    let error: unknown
    try {
      openConnection(target)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toMatch(message)
    expect(shown(error)).not.toContain('canary')
  })

  it('shows nothing of a URL that stands where the options should', () => {
    const given = `redis://:${PASSWORD}@h` as never
    for (const open of [
      () => openConnection('redis://127.0.0.1:1', given),
      () => openConnection('redis://127.0.0.1:1', { breaker: given }),
      () => shareConnection(given),
    ]) {
      let error: unknown
      try {
        open()
      } catch (caught) {
        error = caught
      }
      expect(error).toBeInstanceOf(TypeError)
      expect(shown(error)).not.toContain('canary')
    }
  })

  it('opens, hands its client to BullMQ, and closes with the last handle', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    for (const target of [redis.url, { port: redis.port, host: redis.host }]) {
      const owned = openConnection(target, { signals: false, deadline: '2s' })
      await owned.set('a', 'b')
      const [{ Queue }] = [drivers[0]!]
      const queue = new Queue('mail', { connection: owned.client })
      await queue.add('one', {})
      const borrowed = shareConnection(queue)
      await owned.close()
      expect(await borrowed.get('a')).toBe('b')
      expect(owned.client.status).toBe('ready')
      await queue.close()
      await borrowed.close()
      expect(owned.client.status).toBe('end')
    }
  })
})
