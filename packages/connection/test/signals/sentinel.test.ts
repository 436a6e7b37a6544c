import { startRedis, waitFor, type RedisNode, type TestRedis } from '@corral/testing'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { keyLog, majors, signalsOf, type TestSignals } from './harness.ts'

let redis: TestRedis
async function runIdOf(node: RedisNode): Promise<string> {
  return /run_id:(\w+)/.exec(String(await redis.commandOn(node, 'INFO', 'server')))?.[1] ?? ''
}

function masterNow(): RedisNode {
  const master = redis.nodes.find((node) => node.role === 'master')
  if (master === undefined) throw new Error('no master')
  return master
}

describe.each(majors)('signals through Sentinels, ioredis $major', ({ Redis }) => {
  let client: Redis
  let signals: TestSignals
  /** What the shared connection says about its server. */
  let shared: string | undefined

  // Sentinels take their time between two failovers, so each major has its own.
  beforeAll(async () => {
    redis = await startRedis({ mode: 'sentinel' })
  })
  afterAll(() => redis.stop())

  beforeEach(async () => {
    client = new Redis({
      sentinels: (redis.sentinels ?? []).map(({ host, port }) => ({ host, port })),
      name: redis.masterName ?? '',
      maxRetriesPerRequest: null,
      retryStrategy: () => 50,
    })
    client.on('error', () => {})
    signals = signalsOf(client, { runIds: () => shared })
    client.on('ready', () => {
      void client.info('server').then((info) => {
        shared = /run_id:(\w+)/.exec(info)?.[1]
        signals.sharedReady()
      })
    })
    await waitFor(() => shared !== undefined)
  })
  afterEach(async () => {
    await signals.close()
    client.disconnect()
    shared = undefined
  })

  it('is not on while the shared connection speaks with another server', async () => {
    const right = shared
    shared = 'f'.repeat(40)
    const log = keyLog()
    signals.watch('s:', log)
    await waitFor(() => signals.health().reason === 'other-server')
    await expect(signals.whenOn(500)).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    expect(log.events).toEqual(['ARMING', 'LOST'])

    shared = right
    signals.sharedReady()
    await signals.whenOn(2_000)
    expect(log.events).toEqual(['ARMING', 'LOST', 'flush', 'ON'])
    expect(right).toBe(await runIdOf(masterNow()))
  })

  it('is lost when the shared connection moves to another server, and follows', async () => {
    const log = keyLog()
    signals.watch('s:', log)
    await signals.whenOn(2_000)
    log.clear()
    const right = shared
    shared = 'e'.repeat(40)
    signals.sharedReady()
    expect(log.events).toEqual(['LOST'])
    shared = right
    await signals.whenOn(2_000)
    expect(log.events).toEqual(['LOST', 'flush', 'ON'])
  })

  it.each(['handed over', 'killed'])('follows when the master is %s', async (how) => {
    const log = keyLog()
    signals.watch('s:', log)
    await signals.whenOn(2_000)
    log.clear()
    const old = masterNow()
    if (how === 'killed') await redis.kill(old)
    const next = await redis.failover(old)
    const runId = await runIdOf(next)
    await waitFor(() => shared === runId, {
      timeout: 30_000,
      what: 'the shared connection to follow',
    })
    await signals.whenOn(10_000)
    expect(log.events.slice(-2)).toEqual(['flush', 'ON'])
    expect(log.events).toContain('LOST')
    await client.set('s:after', 'x')
    await waitFor(() => log.seen.has('s:after'))
    // Told by the very server that has the write.
    const list = String(await redis.commandOn(next, 'CLIENT', 'LIST'))
    expect(list.match(/name=corral:signals/g)).toHaveLength(1)
    if (how === 'killed') await redis.restart(old)
  })
})
