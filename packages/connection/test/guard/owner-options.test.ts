import { startProxy, startRedis, waitFor } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import {
  type ConnectionWarning,
  defineScript,
  isCorralError,
  shareConnection,
} from '../../src/index.ts'
import { drivers, ignore } from './drivers.ts'

const increment = defineScript({
  name: 'test-increment',
  lua: `return redis.call('INCR', KEYS[1])`,
})

/** Options that owners set, each of which changes what becomes of commands in trouble. */
const variants: readonly [name: string, options: object, warning?: ConnectionWarning['code']][] = [
  ['nothing', {}, 'SOCKET_TIMEOUT'],
  [
    'autoResendUnfulfilledCommands: false',
    { autoResendUnfulfilledCommands: false },
    'AUTO_RESEND_OFF',
  ],
  ['commandTimeout below the deadline', { commandTimeout: 50 }, 'COMMAND_TIMEOUT'],
  ['commandTimeout above the deadline', { commandTimeout: 1_000 }, 'COMMAND_TIMEOUT'],
  ['maxRetriesPerRequest: 20', { maxRetriesPerRequest: 20 }],
  ['maxRetriesPerRequest: 0', { maxRetriesPerRequest: 0 }],
  ['enableAutoPipelining', { enableAutoPipelining: true }],
  ['enableOfflineQueue: false', { enableOfflineQueue: false }],
  ['reconnectOnError: 2', { reconnectOnError: () => 2 }],
  ['reconnectOnError: true', { reconnectOnError: () => true }],
  ['stringNumbers', { stringNumbers: true }],
  ['enableReadyCheck: false', { enableReadyCheck: false }],
  ['socketTimeout', { socketTimeout: 5_000 }],
]

describe.each(drivers)('$name', ({ Redis }) => {
  it.each(variants)('a client with %s', async (_name, options, warning) => {
    await using redis = await startRedis({
      prefer: 'binary',
      args: ['--appendonly', 'yes', '--appendfsync', 'always'],
    })
    await using proxy = await startProxy({ target: redis })
    const client = new Redis({
      host: proxy.host,
      port: proxy.port,
      maxRetriesPerRequest: null,
      retryStrategy: () => 20,
      ...options,
    })
    client.on('error', ignore)
    const warnings: string[] = []
    const connection = shareConnection(client, {
      signals: false,
      breaker: { openFor: '50ms' },
      onWarning: ({ code }) => warnings.push(code),
    })
    await waitFor(() => connection.set('a', '1').then(() => true), { what: 'the connection' })
    expect(await connection.get('a')).toBe('1')
    expect(await connection.delete('a')).toBe(true)
    if (warning !== undefined) expect(warnings).toContain(warning)
    if ('socketTimeout' in options) expect(warnings).not.toContain('SOCKET_TIMEOUT')

    // The replies of twenty increments are lost: none may count twice.
    const lost = proxy.dropNextReply()
    const calls = Array.from({ length: 20 }, () => connection.script(increment, ['n'], []))
    await Promise.allSettled(calls)
    await lost
    const served = async (): Promise<boolean> => {
      await connection.set('b', '2')
      return (await connection.get('b')) === '2'
    }
    await waitFor(served, { what: 'the connection after a cut' })
    expect(Number(await connection.get('n'))).toBeLessThanOrEqual(20)

    // A type error, which some clients take as a reason to reconnect.
    await redis.command('RPUSH', 'list', 'x')
    await connection.script(increment, ['list'], []).catch((error: unknown) => {
      expect(isCorralError(error)).toBe(true)
    })

    // Hung, then killed and back: everything settles in time, and with an error of ours.
    await waitFor(served, { what: 'the connection after an error' })
    await redis.pause()
    const startedAt = performance.now()
    const results = await Promise.allSettled([connection.get('b'), connection.set('b', '3')])
    expect(performance.now() - startedAt).toBeLessThan(200 + 100)
    for (const result of results) {
      expect(
        result.status === 'rejected' && isCorralError(result.reason, 'REDIS_UNAVAILABLE'),
      ).toBe(true)
    }
    await redis.kill()
    await redis.restart()
    expect(await redis.command('GET', 'b')).toBe('2')
    await waitFor(served, { what: 'the connection after a kill' })
    await connection.close()
    client.disconnect()
  })

  it('finds out by itself that Redis is loading, when the client does not', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    const client = new Redis({
      port: redis.port,
      maxRetriesPerRequest: null,
      enableReadyCheck: false,
      retryStrategy: () => 20,
    })
    client.on('error', ignore)
    await using connection = shareConnection(client, { signals: false, onWarning: ignore })
    await connection.set('a', '1')
    await redis.command('DEBUG', 'POPULATE', 5_000)
    await redis.command('SAVE')
    await redis.kill()
    const slow = ['--key-load-delay', '300', '--loading-process-events-interval-bytes', '1024']
    await redis.restart(0, { args: slow, until: 'listening' })
    const reasons = new Set<string | undefined>()
    await waitFor(
      async () => {
        try {
          return (await connection.get('a')) === '1'
        } catch (error) {
          reasons.add(isCorralError(error) ? error.reason : String(error))
          return false
        }
      },
      { what: 'the end of loading', interval: 2 },
    )
    expect([...reasons]).toEqual(expect.arrayContaining(['breaker-open', 'refused']))
    client.disconnect()
  })
})
