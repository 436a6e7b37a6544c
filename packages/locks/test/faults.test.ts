import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isCorralError, shareConnection } from '@corral/connection'
import {
  monitor,
  spawnWorkers,
  startProxy,
  startRedis,
  type TestRedis,
  waitFor,
} from '@corral/testing'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createLocks, type Lock, type Locks } from '../src/index.ts'
import { type Bench, heldNames, openBench } from './harness.ts'

let server: TestRedis
let bench: Bench
let locks: Locks
let other: Locks

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  bench = await openBench(server)
  await server.command('FLUSHALL')
  bench.deadline = '200ms'
  locks = bench.locks()
  other = bench.locks()
})
afterEach(async () => {
  await server.resume()
  await bench[Symbol.asyncDispose]()
})

const key = (name: string): string => `corral:lock:{shop::${name}}`

/** Until when Redis keeps a lock, in epoch ms by its own clock, which is this machine's. */
async function keptUntil(name: string): Promise<number> {
  return Number(String(await server.command('GET', key(name))).slice(16, 32)) / 1000
}

describe('while Redis hangs', () => {
  it.each(['hangs', 'is cut off', 'refuses connections', 'answers too late'] as const)(
    'a holder is told before its lock can have run out: Redis %s',
    async (fault) => {
      await using proxy = await startProxy({ target: server })
      bench.deadline = '2s'
      const far = bench.locks({}, bench.client(proxy))
      await waitFor(async () => (await far.tryAcquire('warm'))?.release().then(() => true))
      const start = {
        hangs: () => server.pause(),
        'is cut off': () => proxy.blackHole(),
        'refuses connections': async () => {
          await proxy.refuse(true)
          proxy.reset()
        },
        'answers too late': () => proxy.latency(700),
      }[fault]
      const ends: number[] = []
      const stalls = monitorEventLoopDelay({ resolution: 1 })
      stalls.enable()
      for (const ttl of ['100ms', '300ms', '1s'] as const) {
        // A frozen server cannot be asked: without extensions what it says before holds.
        const autoExtend = fault !== 'hangs'
        const lock = await waitFor(() => far.tryAcquire('fault', { ttl, autoExtend }))
        const { signal } = lock
        const kept = await keptUntil('fault')
        await start()
        stalls.reset()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        const at = performance.timeOrigin + performance.now()
        expect(isCorralError(signal.reason, 'LOCK_LOST')).toBe(true)
        expect(lock.held).toBe(false)
        if (fault === 'hangs') await server.resume()
        // What Redis has kept it for, extensions under way included.
        // What this machine kept the whole process waiting for is not the lock's affair.
        const stalled = stalls.max / 1e6
        ends.push((autoExtend ? await keptUntil('fault') : kept) - at + stalled)
        await proxy.heal()
        await expect(lock.release()).rejects.toMatchObject({ code: 'LOCK_LOST' })
        await waitFor(async () => (await far.tryAcquire('warm'))?.release().then(() => true))
        await waitFor(async () => !(await other.inspect('fault')).held)
      }
      expect(Math.min(...ends)).toBeGreaterThan(0)
    },
  )

  it('calls are refused within the deadline and leave no ghost locks', async () => {
    await locks.acquire('warm')
    let refused = 0
    const stalls = monitorEventLoopDelay({ resolution: 1 })
    stalls.enable()
    for (let round = 0; round < 10; round++) {
      await server.pause()
      const from = performance.now()
      const calls = Array.from({ length: 100 }, (_, i) =>
        locks.acquire(`ghost:${round}:${i}`, { wait: i % 2 === 0 ? '5s' : 0 }),
      )
      const results = await Promise.allSettled(calls)
      expect(performance.now() - from - stalls.max / 1e6).toBeLessThan(400)
      stalls.reset()
      for (const result of results) {
        expect(result.status).toBe('rejected')
        if (isCorralError((result as PromiseRejectedResult).reason, 'REDIS_UNAVAILABLE')) refused++
      }
      await server.resume()
      await waitFor(async () => (await locks.tryAcquire('probe'))?.release().then(() => true))
    }
    expect(refused).toBe(1000)
    // Redis has answered: whoever asks now finds what stays.
    await waitFor(() => locks.stats().unreleased === 0, { timeout: 1_000 })
    const held = await heldNames(other)
    expect(held).toEqual(['warm'])
  })

  it('waiters sit it out', async () => {
    const lock = await locks.acquire('hang')
    const waits = other.acquire('hang', { wait: '10s' })
    await waitFor(async () => (await locks.inspect('hang')).waiting === 1)
    await server.pause()
    await expect(locks.tryAcquire('else')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await server.resume()
    await waitFor(async () => (await locks.inspect('hang')).waiting === 1)
    await lock.release()
    await (await waits).release()
  })
})

describe('when a reply is lost', () => {
  it('an acquire that was told to have failed holds nothing', async () => {
    await using proxy = await startProxy({ target: server })
    const far = bench.locks({}, bench.client(proxy))
    await (await far.acquire('warm')).release()
    for (let i = 0; i < 5; i++) {
      await waitFor(async () => (await far.tryAcquire('warm'))?.release().then(() => true))
      const dropped = proxy.dropNextReply({ command: 'EVALSHA' })
      await expect(far.acquire('lost', { wait: 0 })).rejects.toMatchObject({
        code: 'REDIS_UNAVAILABLE',
      })
      await dropped
      await waitFor(async () => !(await locks.inspect('lost')).held)
    }
  })

  it('a release is repeated until Redis acknowledges it, and acts once', async () => {
    await using proxy = await startProxy({ target: server })
    const far = bench.locks({}, bench.client(proxy))
    const lock = await far.acquire('lost')
    proxy.blackHole('up')
    await expect(lock.release()).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    expect((await locks.inspect('lost')).held).toBe(true)
    await proxy.heal()
    await waitFor(async () => !(await locks.inspect('lost')).held)
    const next = await locks.acquire('lost')
    await waitFor(() => far.stats().unreleased === 0)
    expect((await locks.inspect('lost')).holders[0]?.token).toBe(next.token)
  })

  it('a dispose never rejects', async () => {
    await using proxy = await startProxy({ target: server })
    const far = bench.locks({}, bench.client(proxy))
    const lock = await far.acquire('lost')
    proxy.blackHole()
    await expect(lock[Symbol.asyncDispose]()).resolves.toBeUndefined()
    await proxy.heal()
    await waitFor(async () => !(await locks.inspect('lost')).held)
  })
})

describe('a hand-over', () => {
  beforeEach(() => {
    bench.deadline = '2s'
    locks = bench.locks()
    other = bench.locks()
  })

  it('that is not claimed within a second passes on; who is dead is passed over at once', async () => {
    const held = await locks.fair('line').acquire({ ttl: '1m' })
    const module = new URL('./workers/wait-in-line.ts', import.meta.url)
    await using workers = await spawnWorkers(module, {
      count: 2,
      data: { port: server.port, name: 'line' },
    })
    await waitFor(async () => (await locks.inspect('line')).waiting === 2)
    const last = other.fair('line').acquire({ wait: '30s' })
    await waitFor(async () => (await locks.inspect('line')).waiting === 3)
    workers.pause(0)
    workers.pause(1)
    const from = performance.now()
    await held.release()
    const lock = await last
    const took = performance.now() - from
    // A second for each of the two that are stopped.
    expect(took).toBeGreaterThan(1_900)
    expect(took).toBeLessThan(2_700)
    // Awake again, they stand in line anew.
    workers.resume(0)
    workers.resume(1)
    await waitFor(async () => (await locks.inspect('line')).waiting === 2)
    await workers.kill(0)
    await lock.release()
    await waitFor(() => workers.reports.some(({ index }) => index === 1), { timeout: 900 })
  })
})

describe('an idle waiter', () => {
  it('asks at most once per ttl while it can be woken', async () => {
    await (await other.acquire('warm')).release()
    await locks.using(
      'idle',
      async () => {
        const waits = other.acquire('idle', { wait: '30s' })
        await waitFor(async () => (await locks.inspect('idle')).waiting === 1)
        const client = (await server.command('CLIENT', 'LIST')) as string
        expect(client).toContain('subscribe')
        await using watch = await monitor(server)
        const from = performance.now()
        await waitFor(() => performance.now() - from > 2_000)
        const attempts = (await watch.commands()).filter(
          ({ name, args }) => name === 'EVALSHA' && args.some((arg) => / corral:locks:/.test(arg)),
        )
        // ttl 400 ms, 2 s: five at most, and one for where the window starts.
        expect(attempts.length).toBeLessThanOrEqual(6)
        expect(attempts.length).toBeGreaterThan(1)
        void waits.then((lock) => lock.release())
      },
      { ttl: '400ms' },
    )
    await waitFor(() => other.stats().waiting === 0)
  })
})

describe('while signals are off', () => {
  it('waiters poll', async () => {
    const mute = shareConnection(bench.client(), { signals: false, deadline: '200ms' })
    const polling = createLocks({
      connection: mute,
      namespace: 'shop',
      retry: { delay: '20ms' },
    })
    const lock = await locks.acquire('poll')
    const waits = [polling.acquire('poll'), polling.acquire('poll'), polling.fair('poll').acquire()]
    await waitFor(async () => (await locks.inspect('poll')).waiting === 2)
    await lock.release()
    await Promise.all(waits.map(async (wait) => (await wait).release()))
    expect(await locks.inspect('poll')).toMatchObject({ held: false })
    await polling.close()
    await mute.close()
  })
})

describe('while signals are switched off', () => {
  it('waiters poll from the first moment on', async () => {
    const mute = shareConnection(bench.client(), { signals: false, deadline: '10s' })
    const polling = createLocks({
      connection: mute,
      namespace: 'shop',
      wait: '5s',
      retry: { delay: '20ms' },
    })
    const lock = await locks.acquire('poll')
    const waits = polling.acquire('poll')
    await waitFor(async () => (await locks.inspect('poll')).waiting === 1)
    await lock.release()
    const next = await waits
    expect(next.fencingToken).toBeGreaterThan(lock.fencingToken)
    await next.release()
    await polling.close()
    await mute.close()
  })
})

describe('in a full Redis', () => {
  it('locks are refused, extended, handed over and released', async () => {
    await using full = await openBench()
    const mine = full.locks()
    const theirs = full.locks()
    const lock = await mine.acquire('full')
    const shared = await mine.semaphore('full', 1).acquire()
    const alone = await mine.acquire('alone')
    const waits = theirs.acquire('full')
    const permit = theirs.semaphore('full', 1).acquire()
    await waitFor(async () => (await mine.inspect('full')).waiting === 1)
    await waitFor(async () => (await mine.semaphore('full', 1).inspect()).waiting === 1)
    await full.redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await full.redis.command('CONFIG', 'SET', 'maxmemory', '1mb')
    await waitFor(() =>
      full.redis.command('SET', 'x', 'y'.repeat(1_000)).then(
        () => false,
        () => true,
      ),
    )
    await expect(mine.acquire('else')).rejects.toMatchObject({ code: 'REDIS_FULL' })
    await alone.release()
    await lock.extend()
    await shared.extend()
    await lock.release()
    await shared.release()
    await (await waits).release()
    await (await permit).release()
    expect(await mine.list()).toEqual([])
  })
})

describe('a lock that was got too late', () => {
  it('is not handed out, and given back', async () => {
    await using proxy = await startProxy({ target: server })
    const slow = shareConnection(bench.client(proxy), { deadline: '2s' })
    const far = createLocks({ connection: slow, namespace: 'shop' })
    await (await far.acquire('warm')).release()
    proxy.latency(60)
    const refused = await far
      .acquire('late', { ttl: '60ms', wait: 0 })
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'LOCK_TIMEOUT', reason: 'late' })
    await expect(far.acquire('late', { ttl: '60ms', wait: '300ms' })).rejects.toMatchObject({
      code: 'LOCK_TIMEOUT',
      reason: 'late',
    })
    await proxy.heal()
    await waitFor(async () => !(await locks.inspect('late')).held)
    await far.close()
    await slow.close()
  })
})

describe('on either major of ioredis', () => {
  it.each([
    ['6', Redis],
    ['5', Redis5 as unknown as typeof Redis],
  ] as const)('ioredis %s: contended, released, woken', async (_, Client) => {
    const clients = [0, 1].map(
      () =>
        new Client(server.port, server.host, { socketTimeout: 15_000, maxRetriesPerRequest: null }),
    )
    const both = clients.map((connection) => createLocks({ connection, namespace: 'shop' }))
    let inside = 0
    await Promise.all(
      both.flatMap((each) =>
        Array.from({ length: 10 }, () =>
          each.using('major', async () => {
            expect(++inside).toBe(1)
            await new Promise(setImmediate)
            inside--
          }),
        ),
      ),
    )
    for (const each of both) await each.close()
    for (const client of clients) expect(client.status).toBe('ready')
    for (const client of clients) client.disconnect()
  })
})

describe('closing', () => {
  it('rejects waiters and leaves the borrowed connection open', async () => {
    const client = bench.client()
    const mine = createLocks({ connection: client, namespace: 'shop' })
    const held: Lock = await locks.acquire('close')
    const waits = mine.acquire('close')
    await waitFor(async () => (await locks.inspect('close')).waiting === 1)
    const told = waits.catch((error: unknown) => error)
    await mine.close()
    expect(await told).toMatchObject({ code: 'CONNECTION_CLOSED' })
    await mine.close()
    await expect(mine.acquire('x')).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    expect(client.status).toBe('ready')
    expect(await client.ping()).toBe('PONG')
    expect((await locks.inspect('close')).waiting).toBe(0)
    await held.release()
  })
})
