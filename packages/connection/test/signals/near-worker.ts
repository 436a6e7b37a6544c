import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { epoch, signalsOf } from './harness.ts'

export interface NearWorkerData {
  readonly port: number
  readonly prefix: string
  /**
   * `off`: no near cache, no signals. `drop`: what is told is dropped, a process's own writes
   * included. `keep`: the same, but what a process wrote itself stays: an upper bound that cannot
   * be had safely, as Redis may tell two writes of a key once.
   */
  readonly mode: 'off' | 'drop' | 'keep'
  readonly writeShare: number
  /** How many reads and writes each process does; what is counted is the second half. */
  readonly operations: number
}

export interface NearWorkerResult {
  readonly reads: number
  readonly writes: number
  readonly hits: number
  readonly told: number
  /** Processor time of this process in milliseconds. */
  readonly cpu: number
  /** Milliseconds. */
  readonly took: number
  readonly lost: number
  /** Copies that differ from what Redis holds when everybody has stopped. */
  readonly stale: number
  readonly copies: number
  /** Worker 1: when marker keys were sent. Worker 0: when they were told. */
  readonly markers: readonly [key: string, at: number][]
}

const KEYS = 2_000
const CALLERS = 32
const VALUE = 'v'.repeat(180)

/** Worker 0 only listens; the others read and write keys of a skewed distribution. */
runWorker<NearWorkerData, NearWorkerResult>(async ({ index, data, barrier }) => {
  const { prefix, mode } = data
  const client = new Redis(data.port, '127.0.0.1', { enableAutoPipelining: true })
  const signals = signalsOf(client, { deadlineMs: 5_000 })
  const near = new Map<string, string>()
  // How often a key was dropped: what was asked for before a drop is not stored after it.
  const drops = new Map<string, number>()
  let flushes = 0
  const own = new Map<string, number>()
  const markers: [string, number][] = []
  let [reads, writes, hits, told, lost] = [0, 0, 0, 0, 0]
  let on = false
  let written = 0

  function drop(key: string): void {
    near.delete(key)
    drops.set(key, (drops.get(key) ?? 0) + 1)
  }

  if (mode !== 'off') {
    signals.watch(prefix, {
      keys(keys) {
        told += keys.length
        for (const key of keys) {
          if (index === 0 && key.includes(':marker:')) markers.push([key, epoch()])
          const mine = own.get(key) ?? 0
          if (mode === 'keep' && mine > 0) own.set(key, mine - 1)
          else drop(key)
        }
      },
      flush() {
        near.clear()
        flushes += 1
      },
      state(state) {
        on = state === 'on'
        if (state === 'lost') lost += 1
      },
    })
    await signals.whenOn(10_000)
  }

  function generation(key: string): string {
    return `${flushes}:${drops.get(key) ?? 0}`
  }

  async function read(key: string): Promise<void> {
    reads += 1
    if (near.has(key)) {
      hits += 1
      return
    }
    const before = generation(key)
    const value = await client.get(key)
    if (value !== null && on && generation(key) === before) near.set(key, value)
  }

  async function write(key: string): Promise<void> {
    writes += 1
    const value = `${index}:${(written += 1)}:${VALUE}`
    drop(key)
    if (mode === 'keep') own.set(key, (own.get(key) ?? 0) + 1)
    const before = generation(key)
    await client.set(key, value)
    if (on && generation(key) === before) near.set(key, value)
  }

  async function caller(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const key = `${prefix}${Math.floor(KEYS * Math.random() ** 3)}`
      if (index === 1 && n % 20 === 0) {
        const marker = `${prefix}marker:${markers.length}`
        markers.push([marker, epoch()])
        await client.set(marker, 'x', 'PX', 60_000)
      }
      if (Math.random() < data.writeShare) await write(key)
      else await read(key)
      // A near hit is no pause; the sockets want one.
      if (n % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  await client.ping()
  await barrier('start')
  const half = (): Promise<unknown> =>
    index === 0
      ? Promise.resolve()
      : Promise.all(Array.from({ length: CALLERS }, () => caller(data.operations / 2 / CALLERS)))
  await half()
  await barrier('half')
  reads = writes = hits = told = 0
  const start = performance.now()
  const before = process.cpuUsage()
  await half()
  await barrier('stop')
  const took = performance.now() - start
  const used = process.cpuUsage(before)
  const cpu = (used.user + used.system) / 1_000

  // What is still on its way to somebody is behind a write of everybody's now.
  await client.set(`${prefix}end:${index}`, 'x', 'PX', 60_000)
  await barrier('written')
  await client.ping()
  const copies = [...near]
  let stale = 0
  for (let n = 0; n < copies.length; n += 500) {
    const part = copies.slice(n, n + 500)
    const held = await client.mget(part.map(([key]) => key))
    stale += part.filter(([key, value], i) => held[i] !== value && near.get(key) === value).length
  }
  await signals.close()
  client.disconnect()
  return { reads, writes, hits, told, cpu, took, lost, stale, copies: copies.length, markers }
})
