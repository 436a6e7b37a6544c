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
