import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import type { Cluster, Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { channelLog, keyLog, majors, signalsOf, type KeyLog, type TestSignals } from './harness.ts'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis({ mode: 'cluster' })
})
afterAll(() => redis.stop())

// Less than the cluster itself takes to replace a master that hangs.
const ELSEWHERE = { timeout: 1_000, what: 'the channel to be heard elsewhere' }

const nameOf = ({ options }: Redis): string => `${options.host}:${options.port}`

async function signalConnections(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const node of redis.nodes) {
    const list = String(await redis.commandOn(node, 'CLIENT', 'LIST'))
    counts[node.role] = (counts[node.role] ?? 0) + (list.match(/name=corral:signals/g)?.length ?? 0)
  }
  return counts
}

describe.each(majors)('signals of a cluster, ioredis $major', ({ Cluster }) => {
  let cluster: Cluster
  let signals: TestSignals

  beforeEach(async () => {
    cluster = new Cluster(
      redis.nodes.map(({ host, port }) => ({ host, port })),
      {
        redisOptions: { maxRetriesPerRequest: null },
        clusterRetryStrategy: () => 50,
        slotsRefreshInterval: 200,
      },
    )
    cluster.on('error', () => {})
    await waitFor(() => cluster.status === 'ready')
    signals = signalsOfCluster()
  })
  afterEach(async () => {
    await signals.close()
    cluster.disconnect()
  })

  /** What the guard hands over, in small. */
  function signalsOfCluster(): TestSignals {
    const masters = (): Redis[] => cluster.nodes('master')
    return signalsOf(masters()[0] as Redis, {
      masters: () => masters().map((client) => ({ name: nameOf(client), client })),
      complete: () => {
        const names = new Set(masters().map(nameOf))
        return cluster.slots.length > 0 && cluster.slots.every(([name]) => names.has(name ?? ''))
      },
      onTopology(listener) {
        const events = ['+node', '-node', 'refresh', 'ready']
        for (const event of events) cluster.on(event, listener)
        return () => {
          for (const event of events) cluster.removeListener(event, listener)
        }
      },
    })
  }

  async function writeEverywhere(prefix: string): Promise<string[]> {
    const keys = Array.from({ length: 60 }, (_, n) => `${prefix}${n}`)
    await Promise.all(keys.map((key) => cluster.set(key, 'x')))
    return keys
  }

  async function expectTold(log: KeyLog, prefix: string): Promise<void> {
    const keys = await writeEverywhere(prefix)
    await waitFor(() => keys.every((key) => log.seen.has(key)), {
      what: 'keys of all slots to be told',
    })
  }

  it('hears keys from each master over one connection, and a channel once', async () => {
    const log = keyLog()
    const channel = channelLog()
    signals.watch('c:', log)
    signals.subscribe('corral:c', channel)
    await signals.whenOn(5_000)
    expect(log.events.slice(-2)).toEqual(['flush', 'ON'])
    await expectTold(log, 'c:')
    for (const node of redis.nodes) await redis.commandOn(node, 'PUBLISH', 'corral:c', node.name)
    await waitFor(() => redis.nodes.every((node) => channel.events.includes(node.name)))
    expect(channel.events.filter((event) => event.startsWith('node-'))).toHaveLength(
      redis.nodes.length,
    )
    expect(await signalConnections()).toEqual({ master: 3, replica: 0 })

    log.clear()
    const late = keyLog()
    signals.watch('d:', late)
    await signals.whenOn(5_000)
    await expectTold(late, 'd:')
    await expectTold(log, 'c:')
    expect(log.events).not.toContain('LOST')
    await waitFor(async () => (await signalConnections())['master'] === 3)
    await signals.close()
    await waitFor(async () => (await signalConnections())['master'] === 0)
  })

  it('opens one connection for channels alone', async () => {
    const channel = channelLog()
    signals.subscribe('corral:only', channel)
    await signals.whenOn(5_000)
    expect(await signalConnections()).toEqual({ master: 1, replica: 0 })
    await redis.commandOn(5, 'PUBLISH', 'corral:only', 'hello')
    await waitFor(() => channel.events.includes('hello'))
  })

  it('is lost when one master freezes, and hears channels elsewhere', async () => {
    const log = keyLog()
    const channel = channelLog()
    signals.watch('f:', log)
    signals.subscribe('corral:f', channel)
    await signals.whenOn(5_000)
    log.clear()
    // Channels are heard at the first of them by name.
    const [first] = cluster.nodes('master').map(nameOf).toSorted()
    const node = redis.nodes.find(({ host, port }) => `${host}:${port}` === first)
    if (node === undefined) throw new Error('no such master')
    await redis.pause(node)
    await waitFor(() => log.events.includes('LOST'), { interval: 1 })
    const other = redis.nodes.find((each) => each.role === 'master' && each !== node)
    await waitFor(async () => {
      await redis.commandOn(other ?? 0, 'PUBLISH', 'corral:f', 'elsewhere')
      return channel.events.includes('elsewhere')
    }, ELSEWHERE)
    await redis.resume(node)
    await waitFor(() => log.events.includes('ON'))
    expect(log.events.filter((event) => event !== 'flush')).toEqual(['LOST', 'ON'])
    await expectTold(log, 'f:')
    await redis.commandOn(other ?? 0, 'PUBLISH', 'corral:f', 'again')
    await waitFor(() => channel.events.includes('again') && channel.events.at(-1) !== 'LOST')
  })

  it.each(['handed over', 'killed'])(
    'is on again after a master was %s, and told by the new one',
    async (how) => {
      const log = keyLog()
      const channel = channelLog()
      signals.watch('o:', log)
      signals.subscribe('corral:o', channel)
      await signals.whenOn(5_000)
      log.clear()
      const old = redis.nodes.find((node) => node.role === 'master')
      if (old === undefined) throw new Error('no master')
      if (how === 'killed') await redis.kill(old)
      const next = await redis.failover(old)
      const name = `${next.host}:${next.port}`
      await waitFor(
        () => signals.health().nodes.some((node) => node.node === name && node.state === 'on'),
        { timeout: 20_000 },
      )
      await signals.whenOn(20_000)
      expect(log.events.filter((event) => event === 'LOST' || event === 'ON').slice(0, 2)).toEqual([
        'LOST',
        'ON',
      ])
      expect(log.events.lastIndexOf('flush')).toBe(log.events.lastIndexOf('ON') - 1)
      await expectTold(log, 'o:')
      await redis.commandOn(next, 'PUBLISH', 'corral:o', 'hello')
      await waitFor(() => channel.events.includes('hello'))
      if (how === 'killed') await redis.restart(old)
      await waitFor(async () => (await signalConnections())['master'] === 3)
      expect(await signalConnections()).toEqual({ master: 3, replica: 0 })
    },
  )
})
