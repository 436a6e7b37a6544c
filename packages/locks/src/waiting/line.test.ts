import type { Connection } from '@corral/connection'
import { type FakeClock, fakeClock } from '@corral/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Engine } from '../engine/engine.ts'
import type { Attempted, Grant } from '../engine/replies.ts'
import { notReplicated } from '../errors.ts'
import type { ResolvedAcquire } from '../options.ts'
import type { HandOverGuard } from './guard.ts'
import type { Journal } from './journal.ts'
import { createLine, type Line, type Places } from './line.ts'
import type { Mailbox } from './mailbox.ts'
import { createPending } from './pending.ts'

const TTL_MS = 30_000
const DELAY_MS = 100

let clock: FakeClock
let hears: boolean
let changed: () => void
let told: Map<string, () => void>
/** What went back in the background: for how long. */
let journalled: { readonly token: string; readonly forMs: number }[]
let attempts: number
let attempt: (token: string, ttlMs: number) => Promise<Attempted>
let extend: (token: string, ttlMs: number) => Promise<Grant | undefined>

const held = (): Promise<Attempted> =>
  Promise.resolve({ leftMs: TTL_MS, ttlMs: TTL_MS, holder: 'another', handedUntil: '' })
const granted = (token: string, ttlMs: number): Promise<Grant> =>
  Promise.resolve({ token, fence: 1, ttlMs, sentAt: clock.now() })

beforeEach(() => {
  clock = fakeClock()
  hears = true
  changed = () => {}
  told = new Map()
  journalled = []
  attempts = 0
  attempt = held
  extend = granted
})

function lineOf(places: Places): Line {
  const engine = {
    what: 'lock "a"',
    mode: 'w',
    single: true,
    passes: true,
    attempt({ token, ttlMs }: { token: string; ttlMs: number }) {
      attempts++
      return attempt(token, ttlMs)
    },
    extend: (token: string, ttlMs: number) => extend(token, ttlMs),
  } as unknown as Engine
  const mailbox = {
    get address() {
      return hears ? 'channel' : '-'
    },
    get hears() {
      return hears
    },
    open: () => Promise.resolve(),
    expect: (token: string, heard: () => void) => void told.set(token, heard),
    forget: (token: string) => void told.delete(token),
    onChange(listener: () => void) {
      changed = listener
      return () => {}
    },
  } as unknown as Mailbox
  const journal = {
    add: (_: Engine, token: string, forMs: number) => void journalled.push({ token, forMs }),
  } as unknown as Journal
  return createLine({
    engine,
    places,
    connection: { clock } as unknown as Connection,
    mailbox,
    journal,
    guard: { watch: () => {} } as unknown as HandOverGuard,
    pending: createPending(clock),
    asking: () => false,
    onEmpty: () => {},
  })
}

const wish = (ttlMs: number, waitMs = 600_000): ResolvedAcquire =>
  ({ ttlMs, delayMs: DELAY_MS, waitMs }) as unknown as ResolvedAcquire

/** The only one who expects to be told. */
function hearHandOver(): string {
  const [[token, heard] = ['', () => {}]] = told
  heard()
  return token
}

describe('a waiter that queued while nothing could be heard', () => {
  it('goes on polling when signals are back, as nobody will tell it', async () => {
    hears = false
    const waits = lineOf('shared').acquire(wish(TTL_MS), clock.now())
    await clock.advance(DELAY_MS)
    hears = true
    changed()
    await clock.advance(0)
    const before = attempts
    await clock.advance(5 * DELAY_MS)
    expect(attempts).toBeGreaterThan(before + 1)
    attempt = granted
    await clock.advance(2 * DELAY_MS)
    expect(await waits).toMatchObject({ ttlMs: TTL_MS })
  })

  it('looks seldom if it queued while it could be told', async () => {
    const waits = lineOf('shared').acquire(wish(TTL_MS), clock.now())
    await clock.advance(10 * DELAY_MS)
    expect(attempts).toBe(1)
    hearHandOver()
    expect(await waits).toMatchObject({ ttlMs: TTL_MS })
  })
})

describe('a claim that is refused', () => {
  it('is given back, as too few replicas may have it', async () => {
    const waits = lineOf('shared').acquire(wish(TTL_MS), clock.now())
    await clock.advance(DELAY_MS)
    extend = () => Promise.reject(notReplicated('lock "a"', 1, 0))
    const token = hearHandOver()
    await expect(waits).rejects.toMatchObject({ code: 'LOCK_NOT_REPLICATED' })
    expect(journalled).toEqual([{ token, forMs: TTL_MS }])
  })
})

describe('a waiter that gets a place which was asked for with another ttl', () => {
  /** One with a minute's ttl stands behind one with half of it, who leaves. */
  async function behind(): Promise<{ readonly second: Promise<Grant> }> {
    const line = lineOf('shared')
    const first = line.acquire(wish(TTL_MS, 1_000), clock.now())
    const outcome = first.catch((error: unknown) => error)
    const second = line.acquire(wish(2 * TTL_MS), clock.now())
    second.catch(() => undefined)
    await clock.advance(1_000)
    expect(await outcome).toMatchObject({ code: 'LOCK_TIMEOUT' })
    return { second }
  }

  it('holds the lock for its own', async () => {
    const { second } = await behind()
    hearHandOver()
    expect(await second).toMatchObject({ ttlMs: 2 * TTL_MS })
    expect(journalled).toEqual([])
  })

  it('is not handed what came after its end; that is given back for the longer ttl', async () => {
    const { second } = await behind()
    let answer: () => void = () => {}
    extend = (token, ttlMs) => {
      if (ttlMs === TTL_MS) return granted(token, ttlMs)
      const reply = granted(token, ttlMs)
      return new Promise((resolve) => (answer = () => resolve(reply)))
    }
    const token = hearHandOver()
    let got: Grant | undefined
    void second.then((grant) => (got = grant))
    await clock.advance(2 * TTL_MS)
    answer()
    await clock.advance(0)
    expect(got).toBeUndefined()
    expect(journalled).toEqual([{ token, forMs: 2 * TTL_MS }])
    // It stands in line again.
    extend = granted
    expect(hearHandOver()).not.toBe(token)
    expect(await second).toMatchObject({ ttlMs: 2 * TTL_MS })
  })
})
