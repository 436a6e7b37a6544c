/**
 * What listening costs: processor time of this process for a near hit, a peek and a remote hit at 64
 * callers, without and with metrics, in alternating slices. Prints ratios of throughput.
 *
 *     npx tsx --conditions=@corral/source test/measure.ts [rounds]
 */
import { createCache, type Cache } from '@corral/core'
import { startRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { createMetrics, type MetricsOptions } from '../src/index.ts'

const rounds = Number(process.argv[2] ?? 31)
const sliceMs = 150
/** A channel changes its shape with its first listener: what was compiled for the other one goes. */
const warmMs = 100
const keys = Array.from({ length: 1_000 }, (_, n) => `user:${n}`)

await using server = await startRedis()
const connection = new Redis(server.port, server.host, {
  maxRetriesPerRequest: null,
  socketTimeout: 15_000,
})
await using remote = createCache({ connection, namespace: 'remote:v1' })
await using near = createCache({
  connection,
  namespace: 'near:v1',
  near: { maxEntries: 10_000, ttl: '10m' },
})
for (const key of keys) {
  await remote.set(key, { name: 'x'.repeat(150) })
  await near.set(key, { name: 'x'.repeat(150) })
}
// The first reads come before the signals are there.
while (keys.some((key) => near.peek(key) === undefined)) {
  for (const key of keys) await near.get(key)
}

type Run = (until: number) => Promise<number>

async function nearHits(until: number): Promise<number> {
  let done = 0
  for (; performance.now() < until; done += keys.length) {
    for (const key of keys) await near.get(key)
  }
  return done
}

async function peeks(until: number): Promise<number> {
  let done = 0
  for (; performance.now() < until; done += keys.length) for (const key of keys) near.peek(key)
  return done
}

async function remoteHits(until: number): Promise<number> {
  let done = 0
  async function caller(at: number): Promise<void> {
    while (performance.now() < until) {
      for (let n = 0; n < 20; n++) {
        await remote.get(keys[(at += 7) % keys.length] ?? '')
        done++
      }
    }
  }
  await Promise.all(Array.from({ length: 64 }, (_, n) => caller(n)))
  return done
}

/** Nanoseconds of processor time for each. */
async function costOf(run: Run): Promise<number> {
  const before = process.cpuUsage()
  const done = await run(performance.now() + sliceMs)
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1_000) / done
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

async function compare(name: string, cache: Cache, run: Run): Promise<void> {
  const variants: Record<string, Omit<MetricsOptions, 'cache'> | undefined> = {
    off: undefined,
    on: {},
    'on, with groups': { groups: (key) => key.split(':')[0] },
  }
  await run(performance.now() + 1_000)
  const costs = new Map<string, number[]>()
  for (let round = 0; round < rounds; round++) {
    for (const [variant, options] of Object.entries(variants)) {
      const metrics = options && createMetrics({ cache, ...options })
      await run(performance.now() + warmMs)
      const cost = await costOf(run)
      metrics?.close()
      costs.set(variant, [...(costs.get(variant) ?? []), cost])
    }
  }
  const off = median(costs.get('off') ?? [])
  for (const [variant, all] of costs) {
    const cost = median(all)
    process.stdout.write(
      `${name}, ${variant}: ${cost.toFixed(0)} ns, ${(off / cost).toFixed(3)}x\n`,
    )
  }
}

await compare('near hit', near, nearHits)
await compare('peek', near, peeks)
await compare('remote hit, 64 callers', remote, remoteHits)
connection.disconnect()
