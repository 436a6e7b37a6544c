import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type Connection, CorralError } from '@corral/connection'
import { type FakeClock, fakeClock } from '@corral/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Engine } from './engine/engine.ts'
import type { Attempted, Released } from './engine/replies.ts'
import { notReplicated } from './errors.ts'
import { createLockService, type LockService } from './lock-service.ts'
import type { ResolvedAcquire } from './options.ts'

const TTL_MS = 30_000

let clock: FakeClock
let service: LockService
/** Tokens that were given back. */
let released: string[]
let asked: string
let attempt: () => Promise<Attempted>
let release: () => Promise<Released>

const grant = (): Promise<Attempted> =>
  Promise.resolve({ token: asked, fence: 1, ttlMs: TTL_MS, sentAt: clock.now() })

beforeEach(() => {
  clock = fakeClock()
  released = []
  attempt = grant
  release = () => Promise.resolve({ kind: 'free' })
  const connection = {
    clock,
    deadlineMs: 200,
    onAvailability: () => () => {},
    signals: { state: 'off', subscribe: () => () => {} },
  } as unknown as Connection
  service = createLockService(connection, {
    source: { kind: 'locks', name: 'shop' },
    namespace: 'shop',
  })
})

function engineOf(name: string, kind = 'mutex'): Engine {
  return {
    key: `${kind} ${name}`,
    name,
    kind,
    what: `lock "${name}"`,
    mode: 'w',
    single: true,
    passes: true,
    clock,
    attempt({ token }: { token: string }) {
      asked = token
      return attempt()
    },
    release({ token }: { token: string }) {
      released.push(token)
      return release()
    },
  } as unknown as Engine
}

const options = {
  ttlMs: TTL_MS,
  delayMs: 100,
  waitMs: 0,
  autoExtend: false,
} as unknown as ResolvedAcquire

describe('a first attempt that is refused', () => {
  it('goes on being given back while Redis is away', async () => {
    attempt = () => Promise.reject(notReplicated('lock "a"', 1, 0))
    release = () =>
      Promise.reject(new CorralError('REDIS_UNAVAILABLE', 'away', { reason: 'deadline' }))
    const call = service.acquire(engineOf('a'), 'shared', options)
    await expect(call).rejects.toMatchObject({ code: 'LOCK_NOT_REPLICATED' })
    release = () => Promise.resolve({ kind: 'free' })
    await clock.advance(100)
    expect(released).toEqual([asked, asked])
    expect(service.stats().unreleased).toBe(0)
  })
})

describe('a close while a lock is being asked for', () => {
  it.each(['acquire', 'tryAcquire', 'acquire and wait'] as const)(
    'waits for the answer, gives the lock back and hands out nothing: %s',
    async (how) => {
      let answer: () => void = () => {}
      attempt = () => new Promise((resolve) => (answer = () => resolve(grant())))
      const engine = engineOf('a')
      const call =
        how === 'tryAcquire'
          ? service.tryAcquire(engine, options)
          : service.acquire(engine, 'shared', {
              ...options,
              waitMs: how === 'acquire' ? 0 : 60_000,
            })
      const outcome = call.catch((error: unknown) => error)
      let over = false
      const closed = service.close().then(() => (over = true))
      await clock.advance(10)
      expect(over).toBe(false)
      answer()
      expect(await outcome).toMatchObject({ code: 'CONNECTION_CLOSED' })
      await closed
      expect(released).toEqual([asked])
    },
  )

  it('waits for the answer about a place in line, and leaves it', async () => {
    const engine = engineOf('a')
    let answer: () => void = () => {}
    attempt = () => new Promise((resolve) => (answer = () => resolve(grant())))
    const waits = { ...options, waitMs: 60_000 }
    const outcome = service.acquire(engine, 'own', waits).catch((error: unknown) => error)
    answer()
    const lock = (await outcome) as { token: string }
    attempt = () => Promise.resolve({ leftMs: 1, ttlMs: 50, holder: lock.token, handedUntil: '' })
    const next = service.acquire(engine, 'own', waits).catch((error: unknown) => error)
    await clock.advance(0)
    // It polls: its next look is out when the end comes.
    attempt = () => new Promise((resolve) => (answer = () => resolve(grant())))
    await clock.advance(200)
    const closed = service.close()
    expect(await next).toMatchObject({ code: 'CONNECTION_CLOSED' })
    answer()
    await closed
    expect(released).toEqual([asked])
  })

  it('ends though no answer comes', async () => {
    attempt = () => new Promise(() => {})
    service.acquire(engineOf('a'), 'shared', options).catch(() => undefined)
    const closed = service.close()
    await clock.advance(1_000)
    await expect(closed).resolves.toBeUndefined()
  })
})

describe('a release by name and token', () => {
  it('gives back nothing of another name, or of another kind', async () => {
    const lock = await service.acquire(engineOf('a', 'permit'), 'own', options)
    release = () => Promise.resolve({ kind: 'not-held' })
    expect(await service.release(engineOf('b'), lock.token)).toBe(false)
    expect(await service.release(engineOf('a'), lock.token)).toBe(false)
    expect([lock.held, service.stats().held]).toEqual([true, 1])
    release = () => Promise.resolve({ kind: 'free' })
    expect(await service.release(engineOf('a', 'permit'), lock.token)).toBe(true)
    expect([lock.held, service.stats().held]).toEqual([false, 0])
  })
})

describe('locks that nobody gives back', () => {
  it('are not counted once they ran out', async () => {
    await service.acquire(engineOf('a'), 'shared', options)
    await clock.advance(TTL_MS - 1_000)
    const kept = await service.acquire(engineOf('b'), 'shared', options)
    expect(service.stats().held).toBe(2)
    await clock.advance(1_000)
    expect(service.stats().held).toBe(1)
    await kept.release()
    expect(service.stats().held).toBe(0)
  })

  it('are forgotten by those that come, not only by who asks for numbers', async () => {
    const lost: unknown[] = []
    const hear = (message: unknown): void => void lost.push(message)
    subscribe('corral:locks:lost', hear)
    for (let i = 0; i < 1_000; i++) await service.acquire(engineOf(`${i}`), 'shared', options)
    await clock.advance(TTL_MS)
    expect(lost).toHaveLength(0)
    await service.acquire(engineOf('next'), 'shared', options)
    expect(lost).toHaveLength(1_000)
    unsubscribe('corral:locks:lost', hear)
  })
})
