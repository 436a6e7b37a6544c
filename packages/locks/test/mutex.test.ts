import { isCorralError } from '@corral/connection'
import { monitor, startRedis, type TestRedis, waitFor } from '@corral/testing'
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

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'resolved'
  } catch (error) {
    return isCorralError(error) ? error.code : String(error)
  }
}

describe('a mutex', () => {
  it('is held by one at a time and free after its release', async () => {
    const lock = await locks.acquire('invoice:42')
    expect(lock.held).toBe(true)
    expect(await other.tryAcquire('invoice:42')).toBeUndefined()
    expect(await codeOf(other.acquire('invoice:42', { wait: 0 }))).toBe('LOCK_TIMEOUT')
    expect(await codeOf(other.acquire('invoice:42', { wait: '60ms' }))).toBe('LOCK_TIMEOUT')
    await lock.release()
    expect(lock.held).toBe(false)
    await lock.release()
    const next = await other.tryAcquire('invoice:42')
    expect(next?.fencingToken).toBeGreaterThan(lock.fencingToken)
    expect(next?.token).not.toBe(lock.token)
  })

  it('takes two commands without contention, six inside its scripts', async () => {
    await (await locks.acquire('warm')).release()
    await using watch = await monitor(server)
    const lock = await locks.acquire('invoice:42')
    await lock.release()
    const sent = await watch.commands()
    expect(sent.map(({ name }) => name)).toEqual(['EVALSHA', 'EVALSHA'])
    const inside = (await watch.commands({ lua: true })).filter(({ lua }) => lua)
    expect(inside.map(({ name }) => name)).toEqual(['TIME', 'GET', 'SET', 'TIME', 'GET', 'SET'])
  })

  it('hands over to a waiter elsewhere in four commands, nine inside', async () => {
    await (await locks.acquire('warm')).release()
    // Both hear already.
    const warm = await locks.acquire('warm')
    const waits = other.acquire('warm')
    await waitFor(async () => (await locks.inspect('warm')).waiting === 1)
    await warm.release()
    await (await waits).release()
    const first = await locks.acquire('invoice:42')
    const second = other.acquire('invoice:42')
    await waitFor(async () => (await locks.inspect('invoice:42')).waiting === 1)
    await using watch = await monitor(server)
    await first.release()
    await second
    const sent = (await watch.commands()).map(({ name }) => name)
    const inside = (await watch.commands({ lua: true })).filter(({ lua }) => lua)
    expect(sent).toEqual(['EVALSHA', 'EVALSHA'])
    expect(inside.length).toBeLessThanOrEqual(9)
  })

  it('keeps its key alive while it is passed on inside a process', async () => {
    const key = 'corral:lock:{shop::hot}'
    const first = await locks.acquire('hot')
    const waits = locks.acquire('hot')
    await waitFor(async () => (await locks.inspect('hot')).waiting === 1)
    await server.command('PEXPIRE', key, 60_000)
    await first.release()
    const second = await waits
    expect(second.fencingToken).toBeGreaterThan(first.fencingToken)
    expect(Number(await server.command('PTTL', key))).toBeGreaterThan(86_400_000)
    await second.release()
  })

  it('goes to one of those who ask in one command, whatever was there before', async () => {
    async function contest(): Promise<number> {
      const ask = (): Promise<Lock | undefined> => locks.tryAcquire('wanted')
      const [first, second, third, beside] = await Promise.all([
        ask(),
        ask(),
        ask(),
        locks.tryAcquire('beside'),
      ])
      expect([first?.held, second, third]).toEqual([true, undefined, undefined])
      await Promise.all([first?.release(), beside?.release()])
      return first?.fencingToken ?? 0
    }
    const fences = [await contest(), await contest()]
    await other.acquire('wanted', { ttl: '50ms' })
    await waitFor(async () => !(await other.inspect('wanted')).held)
    fences.push(await contest())
    expect(fences).toEqual(fences.toSorted((a, b) => a - b))
    expect(new Set(fences).size).toBe(3)
  })

  it('is given back once by those who do so in one command', async () => {
    const client = bench.client()
    const [mine, ours] = [bench.locks({}, client), bench.locks({}, client)]
    const [lock, beside] = [await mine.acquire('shared'), await mine.acquire('beside')]
    const released = await Promise.all([
      ours.release('shared', lock.token),
      ours.release('shared', lock.token),
      ours.release('shared', beside.token),
      beside.release(),
    ])
    expect(released).toEqual([true, false, false, undefined])
    await expect(lock.release()).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect(await mine.list()).toEqual([])
  })

  it('leaves alone what is no lock, and fails by itself over it', async () => {
    await server.command('HSET', 'corral:lock:{shop::odd}', 'some', 'thing')
    const [odd, even] = await Promise.all([
      codeOf(locks.acquire('odd', { wait: 0 })),
      locks.acquire('even'),
    ])
    expect(odd).toBe('WRONG_TYPE')
    expect(await codeOf(locks.acquire('odd', { wait: 0 }))).toBe('WRONG_TYPE')
    await even.release()
    expect(await server.command('HGET', 'corral:lock:{shop::odd}', 'some')).toEqual('thing')
  })

  it("has growing fences though the server's clock is behind them, for as long as they are kept", async () => {
    const last = 4_000_000_000_000_000
    await server.command('SET', 'corral:lock:{shop::ahead}', String(last))
    const fences: number[] = []
    for (let i = 0; i < 3; i++) {
      const lock = await locks.acquire('ahead')
      const waits = other.acquire('ahead')
      await waitFor(async () => (await locks.inspect('ahead')).waiting === 1)
      await lock.release()
      const next = await waits
      fences.push(lock.fencingToken, next.fencingToken)
      await next.release()
    }
    expect(fences).toEqual([1, 2, 3, 4, 5, 6].map((more) => last + more))
    const keptMs = Number(await server.command('PTTL', 'corral:lock:{shop::ahead}'))
    expect(keptMs / 86_400_000).toBeCloseTo(30, 1)
  })

  it('serves the waiters of one process in order', async () => {
    const order: number[] = []
    const held = await locks.acquire('invoice:42')
    const all = Array.from({ length: 30 }, async (_, i) => {
      const lock = await locks.acquire('invoice:42')
      order.push(i)
      await lock.release()
    })
    await held.release()
    await Promise.all(all)
    expect(order).toEqual(Array.from({ length: 30 }, (_, i) => i))
  })

  it('serves waiters of many processes, one at a time', async () => {
    const many = [locks, other, bench.locks(), bench.locks()]
    let inside = 0
    let most = 0
    const fences: number[] = []
    await Promise.all(
      many.flatMap((each) =>
        Array.from({ length: 16 }, () =>
          each.using('invoice:42', async ({ fencingToken }) => {
            most = Math.max(most, ++inside)
            fences.push(fencingToken)
            await new Promise(setImmediate)
            inside--
          }),
        ),
      ),
    )
    expect(most).toBe(1)
    expect(fences).toEqual(fences.toSorted((a, b) => a - b))
    expect(new Set(fences).size).toBe(64)
    expect(await locks.inspect('invoice:42')).toMatchObject({ held: false, waiting: 0 })
  })

  it('says that it was lost when it is extended or released too late', async () => {
    const lock = await locks.acquire('invoice:42', { ttl: '100ms' })
    expect(lock.signal.aborted).toBe(false)
    const next = await other.acquire('invoice:42', { wait: '2s' })
    expect(lock.signal.aborted).toBe(true)
    expect(isCorralError(lock.signal.reason, 'LOCK_LOST')).toBe(true)
    expect(lock.held).toBe(false)
    expect(await codeOf(lock.extend())).toBe('LOCK_LOST')
    expect(await codeOf(lock.release())).toBe('LOCK_LOST')
    expect(next.held).toBe(true)
    await next.release()
  })

  it('says that it was lost when it was taken away', async () => {
    const lock = await locks.acquire('invoice:42')
    const { signal } = lock
    expect(await other.forceRelease('invoice:42')).toBe(true)
    expect(await other.forceRelease('invoice:42')).toBe(false)
    expect(await codeOf(lock.extend())).toBe('LOCK_LOST')
    expect(signal.aborted).toBe(true)
    expect(await codeOf(lock.release())).toBe('LOCK_LOST')
  })

  it('can be extended', async () => {
    const lock: Lock = await locks.acquire('invoice:42', { ttl: '200ms' })
    const before = lock.expiresAt
    await lock.extend('10s')
    expect(lock.expiresAt).toBeGreaterThan(before + 9000)
    const info = await other.inspect('invoice:42')
    expect(info.holders[0]?.ttl).toBeGreaterThan(9)
    await lock.release()
  })

  it('is given back at the end of a block', async () => {
    {
      await using lock = await locks.acquire('invoice:42')
      expect(lock.held).toBe(true)
    }
    expect((await other.inspect('invoice:42')).held).toBe(false)
  })

  it('can be listed, and released by name and token', async () => {
    const lock = await locks.acquire('a b:{1}')
    await locks.acquire('other')
    const names = await heldNames(other)
    expect(names).toEqual(['a b:{1}', 'other'])
    expect(await other.release('a b:{1}', 'wrong')).toBe(false)
    expect(await other.release('a b:{1}', lock.token)).toBe(true)
    expect(await heldNames(other)).toEqual(['other'])
  })

  it('stops waiting when told to', async () => {
    const lock = await locks.acquire('invoice:42')
    const controller = new AbortController()
    const waits = other.acquire('invoice:42', { signal: controller.signal })
    await waitFor(async () => (await locks.inspect('invoice:42')).waiting === 1)
    controller.abort(new Error('enough'))
    await expect(waits).rejects.toThrow('enough')
    await waitFor(async () => (await locks.inspect('invoice:42')).waiting === 0)
    await lock.release()
    await expect(locks.acquire('x', { signal: controller.signal })).rejects.toThrow('enough')
  })
})
