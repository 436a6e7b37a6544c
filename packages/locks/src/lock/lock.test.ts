import { CorralError, isCorralError } from '@corral/connection'
import { type FakeClock, fakeClock } from '@corral/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Engine } from '../engine/engine.ts'
import { createHeldLock, type Lock, type LockHost } from './lock.ts'
import { marginMs } from './validity.ts'

const TTL_MS = 30_000
const MARGIN_MS = marginMs(TTL_MS)

let clock: FakeClock
let extensions: number
let abandoned: string[]
/** For how long the last one was. */
let abandonedMs: number
/** How the engine answers the next extensions. */
let answer: () => Promise<boolean>
let releases: () => Promise<boolean>

beforeEach(() => {
  clock = fakeClock()
  extensions = 0
  abandoned = []
  answer = () => Promise.resolve(true)
  releases = () => Promise.resolve(true)
})

const away = (): Promise<never> =>
  Promise.reject(new CorralError('REDIS_UNAVAILABLE', 'away', { reason: 'deadline' }))

function lockOf(extending: boolean, sentAt = clock.now()): Lock {
  const engine = {
    name: 'a',
    what: 'lock "a"',
    kind: 'mutex',
    clock,
    async extend(token: string, ttlMs: number) {
      const at = clock.now()
      extensions++
      return (await answer()) ? { token, fence: 1, ttlMs, sentAt: at } : undefined
    },
  } as unknown as Engine
  const host: LockHost = {
    origin: { source: { kind: 'locks', name: 'shop' }, namespace: 'shop' },
    release: () => releases(),
    abandon(_, token, forMs) {
      abandoned.push(token)
      abandonedMs = forMs
    },
    ended: () => undefined,
  }
  const grant = { token: 't', fence: 1, ttlMs: TTL_MS, sentAt }
  return createHeldLock(host, engine, grant, { on: extending, goOn: undefined })
}

describe('a lock that is not extended', () => {
  it('is over a margin before its end in Redis, counted from before it was asked for', async () => {
    await clock.advance(100)
    const lock = lockOf(false, clock.now() - 100)
    const { signal } = lock
    expect(lock.expiresAt).toBe(clock.wallNow() + TTL_MS - 100 - MARGIN_MS)
    await clock.advance(TTL_MS - 100 - MARGIN_MS - 1)
    expect([lock.held, signal.aborted]).toEqual([true, false])
    await clock.advance(1)
    expect([lock.held, signal.aborted]).toEqual([false, true])
    expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'expired' })
  })

  it('is over though nobody looked at its signal', async () => {
    const lock = lockOf(false)
    await clock.advance(TTL_MS)
    await expect(lock.extend()).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect(extensions).toBe(0)
    expect(lock.signal.aborted).toBe(true)
  })

  it('keeps no timer after its release', async () => {
    const lock = lockOf(false)
    expect(lock.signal.aborted).toBe(false)
    expect(clock.pendingTimers()).toBe(1)
    await lock.release()
    expect(clock.pendingTimers()).toBe(0)
    await clock.advance(2 * TTL_MS)
    expect(lock.signal.aborted).toBe(false)
  })

  it("is not moved by the wall clock's jumps", async () => {
    const lock = lockOf(false)
    clock.jumpWall(3_600_000)
    expect(lock.held).toBe(true)
    clock.jumpWall(-7_200_000)
    await clock.advance(TTL_MS)
    expect(lock.held).toBe(false)
  })
})

describe('a lock that is extended', () => {
  it('is so at each third of its ttl', async () => {
    const lock = lockOf(true)
    await clock.advance(TTL_MS * 3.05)
    expect(extensions).toBe(9)
    expect(lock.held).toBe(true)
    await lock.release()
    await clock.advance(TTL_MS)
    expect(extensions).toBe(9)
  })

  it('is tried again while Redis is away, and told to be lost in time', async () => {
    const lock = lockOf(true)
    const { signal } = lock
    answer = away
    await clock.advance(TTL_MS / 3 + TTL_MS / 4)
    expect(extensions).toBeGreaterThan(2)
    expect(signal.aborted).toBe(false)
    answer = () => Promise.resolve(true)
    await clock.advance(TTL_MS)
    expect(signal.aborted).toBe(false)
    answer = () => new Promise(() => {})
    await clock.advance(TTL_MS)
    // Nothing answered at all: told by the timer alone.
    expect(signal.aborted).toBe(true)
    await lock.release().catch(() => undefined)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('is lost at once when Redis knows another holder', async () => {
    const lock = lockOf(true)
    const { signal } = lock
    answer = () => Promise.resolve(false)
    await clock.advance(TTL_MS / 3)
    expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'taken' })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('stays lost when the extension comes through after it was told', async () => {
    const lock = lockOf(true)
    const { signal } = lock
    let comesThrough: (held: boolean) => void = () => {}
    answer = () => new Promise((resolve) => (comesThrough = resolve))
    await clock.advance(TTL_MS)
    expect(signal.aborted).toBe(true)
    comesThrough(true)
    await clock.advance(0)
    expect(lock.held).toBe(false)
    expect(abandoned).toEqual(['t'])
  })
})

describe('an extension whose reply is lost', () => {
  it('ends the lock after the shorter ttl, which Redis may have been told', async () => {
    const lock = lockOf(false)
    const { signal } = lock
    answer = away
    await expect(lock.extend('1s')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await clock.advance(1_000 - marginMs(1_000) - 1)
    expect(signal.aborted).toBe(false)
    await clock.advance(1)
    expect([lock.held, signal.aborted]).toEqual([false, true])
  })

  it('does so while it is out, and when an earlier one is acknowledged meanwhile', async () => {
    const lock = lockOf(false)
    const { signal } = lock
    const replies: ((held: boolean) => void)[] = []
    answer = () => new Promise((resolve) => replies.push(resolve))
    const longer = lock.extend('1m')
    lock.extend('1s').catch(() => undefined)
    replies[0]?.(true)
    await longer
    await clock.advance(1_000 - marginMs(1_000))
    expect(signal.aborted).toBe(true)
  })

  it('is followed by the next one in the time that is left', async () => {
    const lock = lockOf(true)
    answer = away
    await expect(lock.extend('1s')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    answer = () => Promise.resolve(true)
    await clock.advance(TTL_MS / 2)
    expect(lock.held).toBe(true)
    await lock.release()
  })

  it('leaves a lock that is given back for as long as Redis may hold it', async () => {
    const lock = lockOf(false)
    answer = away
    releases = away
    await expect(lock.extend('1h')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await expect(lock.release()).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    expect(abandonedMs).toBe(3_600_000)
  })
})

describe('a release', () => {
  it('is one, however often it is called', async () => {
    let count = 0
    releases = () => Promise.resolve(++count > 0)
    const lock = lockOf(false)
    expect(lock.release()).toBe(lock.release())
    await lock.release()
    expect(count).toBe(1)
    expect(lock.held).toBe(false)
  })

  it('that is not acknowledged goes on in the background', async () => {
    releases = away
    const lock = lockOf(false)
    await expect(lock.release()).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    expect(abandoned).toEqual(['t'])
  })

  it('that arrives after the end of a lock that was held when it was sent is none too late', async () => {
    let arrive: (held: boolean) => void = () => {}
    releases = () => new Promise((resolve) => (arrive = resolve))
    const lock = lockOf(false)
    await clock.advance(TTL_MS - MARGIN_MS - 1)
    const released = lock.release()
    await clock.advance(MARGIN_MS + 2)
    arrive(false)
    await expect(released).resolves.toBeUndefined()
  })

  it('of a lock that is held by another one now says so; a dispose does not', async () => {
    releases = () => Promise.resolve(false)
    const lock = lockOf(false)
    const error = await lock.release().catch((reason: unknown) => reason)
    expect(isCorralError(error, 'LOCK_LOST')).toBe(true)
    expect(lock.signal.aborted).toBe(true)
    await lock[Symbol.asyncDispose]()
  })
})
