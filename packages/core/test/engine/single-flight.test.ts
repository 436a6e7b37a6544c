import { spawnWorkers, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type Cache } from '../../src/index.ts'
import type { Stampede, StampedeResult } from './workers/stampede.ts'

let server: TestRedis
let here: Cache
let there: Cache
const clients: Redis[] = []

function open(): Cache {
  const client = new Redis(server.port, server.host, { socketTimeout: 15_000 })
  clients.push(client)
  return createCache({ connection: client, namespace: 'shop:v1' })
}

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await server.command('FLUSHALL')
  here = open()
  there = open()
  await Promise.all([here.get('warm-up'), there.get('warm-up')])
})
afterEach(async () => {
  await here.close()
  await there.close()
  for (const client of clients.splice(0)) client.disconnect()
})

interface Held {
  readonly promise: Promise<string>
  readonly resolve: (value: string) => void
  readonly reject: (error: unknown) => void
}
function held(): Held {
  let settle!: Omit<Held, 'promise'>
  const promise = new Promise<string>((resolve, reject) => (settle = { resolve, reject }))
  return { promise, ...settle }
}

/** Begins a load that the test ends. */
async function beginLoad(cache: Cache, load: Held): Promise<{ first: Promise<string> }> {
  const loader = vi.fn(() => load.promise)
  const call = cache.getOrSet('k', loader)
  call.catch(() => undefined)
  await waitFor(() => loader.mock.calls.length === 1, { what: 'the load to begin' })
  return { first: call }
}

const waiting = (cache: Cache): Promise<unknown> =>
  waitFor(async () => (await cache.stats()).leaseWaited === 1, { what: 'the wait to begin' })

describe('one load across processes', () => {
  it('of 4 processes, 20 missing keys and 100 callers of each', async () => {
    const data: Stampede = { port: server.port, callers: 100, keys: 20, loadMs: 50 }
    const module = new URL('./workers/stampede.ts', import.meta.url)
    await using workers = await spawnWorkers<StampedeResult>(module, { count: 4, data })
    const results = (await workers.results()).filter((result) => result !== undefined)
    expect(results.map(({ wrong }) => wrong)).toEqual([0, 0, 0, 0])
    const loads = await Promise.all(
      Array.from({ length: 20 }, (_, i) => server.command('GET', `loads:k${i}`)),
    )
    expect(loads).toEqual(Array(20).fill('1'))
    expect(results.reduce((sum, { leaseWaited }) => sum + leaseWaited, 0)).toBeGreaterThan(0)
  })

  it('the others get the value soon after it is there', async () => {
    const load = held()
    const { first } = await beginLoad(here, load)
    const second = there.getOrSet('k', () => 'a second load')
    await waiting(there)
    load.resolve('loaded once')
    expect(await Promise.all([first, second])).toEqual(['loaded once', 'loaded once'])
  })

  it('a failed load does not make the others wait for the lease to end', async () => {
    const load = held()
    const { first } = await beginLoad(here, load)
    const started = performance.now()
    const second = there.getOrSet('k', () => 'the next one')
    await waiting(there)
    load.reject(new Error('the source is down'))
    await expect(first).rejects.toThrow('the source is down')
    expect(await second).toBe('the next one')
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(await here.get('k')).toBe('the next one')
  })

  it('a process that is killed holds the others up no longer than its lease', async () => {
    const leaseTtl = 1
    const module = new URL('./workers/hold-load.ts', import.meta.url)
    const data = { port: server.port, leaseTtl }
    await using workers = await spawnWorkers(module, { count: 1, data })
    await waitFor(() => workers.reports.length === 1, { what: 'the load to begin' })
    const second = there.getOrSet('k', () => 'the next one')
    await waiting(there)
    await workers.kill(0)
    const killed = performance.now()
    expect(await second).toBe('the next one')
    expect(performance.now() - killed).toBeLessThan(leaseTtl * 1_000 + 500)
  })

  it('a load that takes longer than its lease keeps it', async () => {
    const load = held()
    const loader = vi.fn(() => load.promise)
    const call = here.getOrSet('k', loader, { lease: { ttl: '600ms' } })
    await waitFor(() => loader.mock.calls.length === 1)
    const second = there.getOrSet('k', () => 'a second load')
    // Three leases long, seen from the server: nothing of it is up to this process's timers alone.
    const [from] = (await server.command('TIME')) as string[]
    await waitFor(
      async () => Number(((await server.command('TIME')) as string[])[0]) > Number(from) + 2,
    )
    load.resolve('slow')
    expect(await Promise.all([call, second])).toEqual(['slow', 'slow'])
  })

  it.each([
    ['load', { onTimeout: 'load' }, 'its own'],
    ['throw', { onTimeout: 'throw' }, 'LEASE_TIMEOUT'],
    ['fallback', { onTimeout: 'fallback' }, 'instead'],
  ] as const)('who waited in vain: %s', async (_name, lease, expected) => {
    const load = held()
    const { first } = await beginLoad(here, load)
    const own = vi.fn(() => 'its own')
    const second = there.getOrSet('k', own, {
      ...(expected === 'instead' && { fallback: 'instead' }),
      lease: { ...lease, wait: '50ms', attempts: 2 },
    })
    const got = await second.catch((error: { code: string }) => error.code)
    expect(got).toBe(expected)
    expect(own).toHaveBeenCalledTimes(expected === 'its own' ? 1 : 0)
    load.resolve('the first')
    await first
    // What the first one brings is what is stored, soon after its caller has it.
    await waitFor(async () => (await there.get('k')) === 'the first')
  })

  it('a stale value inside staleIfError is served at once while another loads', async () => {
    const policy = { ttl: 0.05, staleIfError: '1m' } as const
    await here.set('k', 'old', policy)
    await waitFor(async () => !(await here.has('k')))
    const load = held()
    const loader = vi.fn(() => load.promise)
    const first = here.getOrSet('k', loader, policy)
    await waitFor(() => loader.mock.calls.length === 1)
    expect(await there.getOrSet('k', () => 'a second load', policy)).toBe('old')
    load.resolve('new')
    expect(await first).toBe('new')
  })
})

describe('staleWhileRevalidate across processes', () => {
  it('refreshes once, and everybody gets the old value at once', async () => {
    const policy = { ttl: 0.05, staleWhileRevalidate: '1m' } as const
    await here.set('k', 'old', policy)
    await waitFor(async () => !(await here.has('k')))
    const load = held()
    const loader = vi.fn(() => load.promise)
    const callers = Array.from({ length: 200 }, (_, i) =>
      (i % 2 === 0 ? here : there).getOrSet('k', loader, policy),
    )
    expect(new Set(await Promise.all(callers))).toEqual(new Set(['old']))
    await waitFor(() => loader.mock.calls.length === 1)
    expect(await there.getOrSet('k', loader, policy)).toBe('old')
    load.resolve('new')
    await waitFor(
      async () => (await there.getOrSet('k', loader, { ...policy, ttl: '1m' })) === 'new',
    )
    expect(loader).toHaveBeenCalledTimes(1)
    expect(await server.command('EXISTS', 'corral:lease:{shop:v1::k}')).toBe(0)
  })
})
