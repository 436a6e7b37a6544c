import { isCorralError } from '@corral/connection'
import { startProxy, startRedis, type TestRedis, waitFor } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Lock, Locks } from '../src/index.ts'
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
  locks = bench.locks()
  other = bench.locks()
})
afterEach(() => bench[Symbol.asyncDispose]())

describe('a fair lock', () => {
  it('is handed out in order of asking across processes', async () => {
    const order: number[] = []
    const held = await locks.fair('queue').acquire()
    const all: Promise<void>[] = []
    for (let i = 0; i < 40; i++) {
      const side = i % 3 === 0 ? locks : other
      all.push(
        side.fair('queue').using(() => {
          order.push(i)
        }),
      )
      await waitFor(async () => (await locks.inspect('queue')).waiting === i + 1)
    }
    await held.release()
    await Promise.all(all)
    expect(order).toEqual(Array.from({ length: 40 }, (_, i) => i))
  })

  it('excludes plain holders of the same name', async () => {
    const lock = await locks.acquire('queue')
    expect(await other.fair('queue').tryAcquire()).toBeUndefined()
    await lock.release()
    const fair = await other.fair('queue').acquire()
    expect(await locks.tryAcquire('queue')).toBeUndefined()
    await fair.release()
  })

  it('passes over who has gone', async () => {
    const held = await locks.fair('queue').acquire()
    const gone = bench.locks()
    const lost = gone.fair('queue').acquire()
    lost.catch(() => {})
    await waitFor(async () => (await locks.inspect('queue')).waiting === 1)
    const controller = new AbortController()
    const left = other.fair('queue').acquire({ signal: controller.signal })
    left.catch(() => {})
    await waitFor(async () => (await locks.inspect('queue')).waiting === 2)
    const next = other.fair('queue').acquire()
    await waitFor(async () => (await locks.inspect('queue')).waiting === 3)
    controller.abort()
    await gone.close()
    await expect(lost).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    const from = performance.now()
    await held.release()
    await (await next).release()
    expect(performance.now() - from).toBeLessThan(500)
  })
})

describe('a read/write lock', () => {
  it('is shared by readers and exclusive for a writer', async () => {
    const rw = locks.readWrite('report')
    const rw2 = other.readWrite('report')
    const [a, b] = await Promise.all([rw.read(), rw2.read()])
    expect(await rw2.tryWrite()).toBeUndefined()
    const writing = rw2.write()
    await waitFor(async () => (await rw.inspect()).waiting === 1)
    // A writer waits: readers that come now queue behind it.
    expect(await rw.tryRead()).toBeUndefined()
    const reading = rw.read()
    await waitFor(async () => (await rw.inspect()).waiting === 2)
    await a.release()
    expect((await rw.inspect()).holders).toHaveLength(1)
    await b.release()
    const writer = await writing
    expect(await rw.tryRead()).toBeUndefined()
    expect(await rw.tryWrite()).toBeUndefined()
    await writer.release()
    const reader = await reading
    const beside = await rw2.read()
    expect(beside.fencingToken).toBeGreaterThan(reader.fencingToken)
    await Promise.all([reader.release(), beside.release()])
    expect(await rw.inspect()).toMatchObject({ held: false, waiting: 0 })
  })

  it('lets a writer in while readers keep coming', async () => {
    let written = 0
    let reads = 0
    let over = false
    const readers = [locks, other].flatMap((side) =>
      Array.from({ length: 4 }, async () => {
        while (!over) {
          await side.readWrite('report').usingRead(() => new Promise(setImmediate))
          reads++
        }
      }),
    )
    await waitFor(() => reads > 20)
    for (; written < 10; written++) {
      // Starved, it would wait for as long as they read, until it gives up.
      await other.readWrite('report').usingWrite(() => undefined, { wait: '1s' })
    }
    over = true
    await Promise.all(readers)
    expect(written).toBe(10)
  })
})

describe('a semaphore', () => {
  it('is held by no more than its permits', async () => {
    let inside = 0
    let most = 0
    await Promise.all(
      [locks, other, bench.locks()].flatMap((side) =>
        Array.from({ length: 12 }, () =>
          side.semaphore('cpu', 3).using(async () => {
            most = Math.max(most, ++inside)
            await new Promise((resolve) => setImmediate(resolve))
            inside--
          }),
        ),
      ),
    )
    expect(most).toBe(3)
    expect(await locks.semaphore('cpu', 3).inspect()).toMatchObject({ held: false, waiting: 0 })
  })

  it('gets expired permits back', async () => {
    const cpu = locks.semaphore('cpu', 2)
    const taken: (Lock | undefined)[] = [
      await cpu.tryAcquire({ ttl: '100ms' }),
      await cpu.tryAcquire({ ttl: '10s' }),
    ]
    expect(taken.every(Boolean)).toBe(true)
    expect(await other.semaphore('cpu', 2).tryAcquire()).toBeUndefined()
    const from = performance.now()
    const third = await other.semaphore('cpu', 2).acquire({ wait: '2s' })
    expect(performance.now() - from).toBeLessThan(400)
    expect(taken[0]?.held).toBe(false)
    await expect(taken[0]?.extend()).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await Promise.all([third.release(), taken[1]?.release()])
  })
})

describe('a hand-over that nobody claims', () => {
  it('leaves no key for ever', async () => {
    await using proxy = await startProxy({ target: server })
    const far = bench.locks({}, bench.client(proxy))
    const first = await locks.semaphore('cpu', 1).acquire()
    const waits = far.semaphore('cpu', 1).acquire()
    await waitFor(async () => (await locks.semaphore('cpu', 1).inspect()).waiting === 1)
    // Who waits hears nothing and claims nothing.
    proxy.blackHole()
    await first.release()
    const keptMs = Number(await server.command('PTTL', 'corral:lock:{shop::cpu}:permits:held'))
    expect(keptMs).toBeGreaterThan(1_000)
    expect(keptMs).toBeLessThan(60_000)
    await proxy.heal()
    await (await waits).release()
  })
})

describe('many locks at once', () => {
  it('are all held or none', async () => {
    const blocked = await other.acquire('b')
    const refused = await locks
      .acquireMany(['c', 'b', 'a'], { wait: '50ms' })
      .catch((error: unknown) => error)
    expect(isCorralError(refused, 'LOCK_TIMEOUT')).toBe(true)
    expect(await heldNames(locks)).toEqual(['b'])
    await blocked.release()
    const set = await locks.acquireMany(['c', 'b', 'a'])
    expect(set.locks.map(({ name }) => name)).toEqual(['c', 'b', 'a'])
    expect(await heldNames(locks)).toEqual(['a', 'b', 'c'])
    expect(set.held).toBe(true)
    await set.extend()
    await set.release()
    expect(await locks.list()).toEqual([])
  })

  it('block nobody who wants them in another order', async () => {
    let inside = 0
    const names = ['a', 'b', 'c']
    await Promise.all(
      [locks, other].flatMap((side) =>
        Array.from({ length: 10 }, async (_, i) => {
          const [x = '', y = '', z = ''] = names
          const order = i % 2 === 0 ? [x, y, z] : [z, x, y]
          await side.using(order, () => {
            expect(++inside).toBe(1)
            inside--
          })
        }),
      ),
    )
    expect(await locks.list()).toEqual([])
  })

  it('must differ', async () => {
    await expect(locks.acquireMany(['a', 'a'])).rejects.toThrow(TypeError)
    await expect(locks.acquireMany([])).rejects.toThrow(TypeError)
    expect(await locks.list()).toEqual([])
  })
})

describe('using', () => {
  it('extends while its body runs and gives the lock back', async () => {
    const from = performance.now()
    const result = await locks.using(
      'job',
      async ({ signal }) => {
        await waitFor(() => performance.now() - from > 500)
        expect(signal.aborted).toBe(false)
        expect(await other.tryAcquire('job')).toBeUndefined()
        return 'done'
      },
      { ttl: '150ms' },
    )
    expect(result).toBe('done')
    expect((await other.inspect('job')).held).toBe(false)
  })

  it('rejects with the error of its body even if the release fails too', async () => {
    const failure = new Error('body')
    const call = locks.using('job', async () => {
      await other.forceRelease('job')
      throw failure
    })
    await expect(call).rejects.toBe(failure)
  })

  it('rejects when the lock was lost under its body', async () => {
    let aborted: unknown
    const call = locks.using(
      'job',
      async ({ signal }) => {
        await other.forceRelease('job')
        await waitFor(() => signal.aborted)
        aborted = signal.reason
      },
      { ttl: '150ms' },
    )
    await expect(call).rejects.toMatchObject({ code: 'LOCK_LOST', reason: 'taken' })
    expect(isCorralError(aborted, 'LOCK_LOST')).toBe(true)
  })

  it("aborts its body with the caller's signal", async () => {
    const controller = new AbortController()
    await locks.using(
      'job',
      ({ signal }) => {
        controller.abort()
        expect(signal.aborted).toBe(true)
      },
      { signal: controller.signal },
    )
  })
})

describe('the list', () => {
  it('has locks of all kinds while they are held, each with its holders, and none of others', async () => {
    const rw = locks.readWrite('shared')
    const held = [
      await locks.acquire('alone'),
      await locks.fair('in line').acquire(),
      await rw.read(),
      await other.readWrite('shared').read(),
      await locks.readWrite('written').write(),
      await locks.semaphore('pool {a}', 3).acquire(),
      await other.semaphore('pool {a}', 3).acquire(),
    ]
    const gone = [await locks.readWrite('gone').write(), await locks.semaphore('gone', 1).acquire()]
    for (const lock of gone) await lock.release()
    const listed = async (): Promise<unknown[]> =>
      (await other.list())
        .map(({ kind, name, holders }) => [kind, name, holders.length])
        .toSorted((a, b) => (String(a) < String(b) ? -1 : 1))
    expect(await listed()).toEqual([
      ['mutex', 'alone', 1],
      ['mutex', 'in line', 1],
      ['readWrite', 'shared', 2],
      ['readWrite', 'written', 1],
      ['semaphore', 'pool {a}', 2],
    ])
    expect(await rw.inspect()).toMatchObject({ kind: 'readWrite', name: 'shared', held: true })
    await Promise.all(held.map((lock) => lock.release()))
    expect(await listed()).toEqual([])
  })

  it('forgets holders that ran out, also where others of the same lock go on', async () => {
    await locks.readWrite('left').read({ ttl: '100ms' })
    await locks.semaphore('mixed', 2).acquire({ ttl: '100ms' })
    const lock = await locks.semaphore('mixed', 2).acquire({ ttl: '1m' })
    await waitFor(async () => {
      const all = await other.list()
      return all.length === 1 && all[0]?.holders.length === 1
    })
    expect((await other.list())[0]?.holders[0]?.token).toBe(lock.token)
    await lock.release()
  })
})
