import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { monitor, openRawConnection, startRedis, type TestRedis } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { defineScript, shareConnection } from '../../src/index.ts'
import { allDrivers, type Client, drivers, ignore, SHARED } from './drivers.ts'

const run = promisify(execFile)

/** What a borrowed connection must never be asked to do. */
const FORBIDDEN =
  /^(CLIENT|SUBSCRIBE|PSUBSCRIBE|SSUBSCRIBE|SELECT|WAIT|MULTI|EXEC|WATCH|B[LRZ].*POP.*|BLMOVE|BLMPOP|XREAD.*|SCRIPT|FUNCTION|KEYS|FLUSH.*|CONFIG|DEBUG)$/

function listenerCounts(client: Client): Record<string, number> {
  return Object.fromEntries(
    client
      .eventNames()
      .map((event) => [String(event), client.listeners(event).length] as const)
      .toSorted(([a], [b]) => a.localeCompare(b)),
  )
}

async function clientIds(redis: TestRedis): Promise<string[]> {
  const raw = await openRawConnection(redis)
  const list = String(await raw.send('CLIENT', 'LIST'))
  const own = String(await raw.send('CLIENT', 'ID'))
  raw.close()
  return [...list.matchAll(/^id=(\d+)/gm)].map(([, id = '']) => id).filter((id) => id !== own)
}

const bump = defineScript({ name: 'test-bump', lua: `return redis.call('INCR', KEYS[1])` })

describe.each(allDrivers)('a borrowed connection ($name)', ({ Redis, Queue, Worker }) => {
  it('is left as it was: options, commands, listeners, sockets', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    const client = new Redis(redis.port, SHARED)
    client.on('error', ignore)
    const queue = new Queue('mail', { connection: client })
    const worker = new Worker('mail', () => Promise.resolve(), { connection: client })
    await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
    await queue.add('first', {})
    await using watch = await monitor(redis)
    const options = structuredCloneable(client.options)
    const own = Object.getOwnPropertyNames(client).toSorted()
    const listeners = listenerCounts(client)
    const sockets = await clientIds(redis)
    const address = String(await client.call('client', 'info')).match(/ addr=(\S+)/)?.[1] ?? ''
    await watch.clear()

    const first = shareConnection(client, { signals: false, onWarning: ignore })
    const second = shareConnection(client)
    await first.set('a', '1', { ttlMs: 5_000 })
    await second.get('a')
    await first.getMany(['a', 'b'])
    await first.read({ name: 'pttl', key: 'a' })
    await second.script(bump, ['n'], [])
    await first.delete('a')
    await first.publish('corral:channel', 'message')
    for await (const page of first.scan('*')) expect(page).toBeInstanceOf(Array)
    await first.info()
    await first.health()

    expect(await clientIds(redis)).toEqual(sockets)
    const sent = (await watch.commands({ client: address })).filter(
      ({ args }) => !args.some((arg) => arg.startsWith('bull:')),
    )
    expect(sent.length).toBeGreaterThan(8)
    expect(sent.map(({ name }) => name).filter((name) => FORBIDDEN.test(name))).toEqual([])
    expect(new Set(sent.map(({ db }) => db))).toEqual(new Set([0]))

    await first.close()
    await expect(first.get('a')).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    expect(await second.get('n')).toBe('1')
    await second.close()
    await second.close()
    expect(listenerCounts(client)).toEqual(listeners)
    expect(structuredCloneable(client.options)).toEqual(options)
    expect(Object.getOwnPropertyNames(client).toSorted()).toEqual(own)
    expect(client.status).toBe('ready')
    expect(await clientIds(redis)).toEqual(sockets)
    await queue.add('second', {})
    await worker.close()
    await queue.close()
    client.disconnect()
  })
})

/** Functions compare by identity, everything else by value. */
function structuredCloneable(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key,
      typeof value === 'function' ? value : structuredClone(value),
    ]),
  )
}

describe.each(drivers)('a process that used a connection ($name)', ({ ioredis }) => {
  const module = ioredis === 6 ? 'ioredis' : 'ioredis5'
  const scripts = {
    'and closed it': `
      await connection.set('a', '1', { deadlineMs: 30_000 })
      await connection.close(); client.disconnect()`,
    'and lost it without closing it': `
      await connection.get('a', { deadlineMs: 30_000 })
      client.disconnect()`,
    'and closed it in the midst of calls': `
      const calls = [connection.set('a', '1'), connection.get('a')]
      await connection.close(); await client.quit()
      await Promise.allSettled(calls)`,
  }

  it.each(Object.entries(scripts))('%s ends by itself', async (_name, body) => {
    await using redis = await startRedis({ prefer: 'binary' })
    const program = `
      import { shareConnection } from '@corral/connection'
      import { Redis } from '${module}'
      const client = new Redis(${redis.port}, { maxRetriesPerRequest: null })
      const connection = shareConnection(client, { signals: false, onWarning() {} })
      ${body}`
    const startedAt = performance.now()
    const node = [
      '--conditions=@corral/source',
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      program,
    ]
    await run(process.execPath, node, { cwd: new URL('../..', import.meta.url), timeout: 20_000 })
    expect(performance.now() - startedAt).toBeLessThan(15_000)
  })
})
