import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { fakeConnection, type FakeConnection } from '../../test/stamps/fake-connection.ts'
import type { Verdict } from '../stamps/stamp-book.ts'
import {
  createNearTier,
  type NearCopy,
  type NearDeps,
  type NearDraft,
  type NearTier,
  type Ticket,
} from './near-tier.ts'

let fake: FakeConnection
let near: NearTier
let stamps: { version: number; judged: number; says: Verdict }

function open(options: Partial<NearDeps> = {}): NearTier {
  near = createNearTier({
    connection: fake.connection,
    prefix: 'a::',
    maxEntries: 3,
    ttlMs: 60_000,
    book: {
      epoch: {
        get version() {
          return stamps.version
        },
      },
      verdict() {
        stamps.judged++
        return stamps.says
      },
    },
    ...options,
  })
  fake.state('on')
  return near
}

const draft = (value: unknown, more: Partial<NearDraft> = {}): NearDraft => ({
  value,
  loadedAt: 1,
  tags: [],
  seen: [],
  expires: undefined,
  freshUntil: undefined,
  costMs: undefined,
  ...more,
})
const put = (key: string, value: unknown, more: Partial<NearDraft> = {}): void =>
  void near.keep(near.ticket(key), draft(value, more))
const read = (key: string): unknown => {
  const entry = near.peek(key)
  return entry === undefined ? undefined : near.valueOf(entry)
}

beforeEach(() => {
  fake = fakeConnection()
  stamps = { version: 1, judged: 0, says: 'alive' }
  open()
})

describe('what is kept', () => {
  test('is served until the key is dropped, here or by a signal', () => {
    put('a::1', 'one')
    put('a::2', 'two')
    expect([read('a::1'), read('a::2'), near.size]).toEqual(['one', 'two', 2])
    near.drop('a::1')
    fake.signal('a::2', 'b::1')
    expect([read('a::1'), read('a::2'), near.size]).toEqual([undefined, undefined, 0])
  })

  test('is bounded; what was used longest ago goes', () => {
    for (const key of ['a::1', 'a::2', 'a::3']) put(key, key)
    read('a::1')
    put('a::4', 'a::4')
    expect([read('a::1'), read('a::2'), near.size]).toEqual(['a::1', undefined, 3])
  })

  test.each([
    ['a signal for the key', () => fake.signal('a::1')],
    ['a write here', () => near.drop('a::1')],
    ['a flush', () => fake.flush()],
    ['a loss that is over', () => [fake.state('lost'), fake.state('on')]],
    ['a clear', () => near.clear()],
    ['a pattern', () => near.dropMatching((key) => key === 'a::1')],
  ])('is not what was being read during %s', (_, change) => {
    const ticket = near.ticket('a::1')
    change()
    expect(near.valueOf(near.keep(ticket, draft('old')))).toBe('old')
    expect(read('a::1')).toBeUndefined()
    expect(near.size).toBe(0)
  })

  test('is what was read during a change of another key', () => {
    const ticket = near.ticket('a::1')
    fake.signal('a::2')
    near.keep(ticket, draft('one'))
    expect(read('a::1')).toBe('one')
  })

  test('a pattern takes those that match and leaves the rest', () => {
    put('a::1', 1)
    put('a::2', 2)
    near.dropMatching((key) => key.endsWith('1'))
    expect([read('a::1'), read('a::2')]).toEqual([undefined, 2])
  })
})

describe('while signals are not on', () => {
  test('nothing is served or kept, and nothing of before comes back', () => {
    put('a::1', 1)
    fake.state('lost')
    expect([read('a::1'), near.size]).toEqual([undefined, 0])
    put('a::1', 2)
    expect(near.size).toBe(0)
    fake.state('on')
    expect(read('a::1')).toBeUndefined()
    put('a::1', 3)
    expect(read('a::1')).toBe(3)
    near.close()
    expect(read('a::1')).toBeUndefined()
  })

  test('nor before they are on for the first time', () => {
    fake = fakeConnection()
    near = createNearTier({
      connection: fake.connection,
      prefix: 'a::',
      maxEntries: 3,
      ttlMs: 1,
      book: { epoch: { version: 0 }, verdict: () => 'alive' },
    })
    put('a::1', 1)
    expect([read('a::1'), near.size]).toEqual([undefined, 0])
  })
})

describe('the end of an entry', () => {
  test('is by the server clock, whatever ours shows', async () => {
    fake.serverNow = 5_000_000
    put('a::1', 1, { expires: 5_001_000, freshUntil: 5_000_500 })
    await fake.clock.advance(494)
    expect(near.isFresh(near.peek('a::1')!)).toBe(true)
    await fake.clock.advance(1)
    expect(near.isFresh(near.peek('a::1')!)).toBe(false)
    await fake.clock.advance(499)
    expect(read('a::1')).toBe(1)
    await fake.clock.advance(1)
    expect([read('a::1'), near.size]).toEqual([undefined, 0])
  })

  test('is by ours less the skew while that is not known', async () => {
    put('a::1', 1, { expires: fake.clock.wallNow() + 1000 })
    await fake.clock.advance(749)
    expect(read('a::1')).toBe(1)
    await fake.clock.advance(1)
    expect(read('a::1')).toBeUndefined()
  })

  test('is no later than near.ttl, and what has ended is not kept', async () => {
    open({ ttlMs: 1000 })
    put('a::1', 1)
    put('a::2', 2, { expires: fake.clock.wallNow() })
    expect(near.size).toBe(1)
    await fake.clock.advance(999)
    expect(read('a::1')).toBe(1)
    await fake.clock.advance(1)
    expect(read('a::1')).toBeUndefined()
  })

  test('is noticed within a hot loop', () => {
    put('a::1', 1, { expires: fake.clock.wallNow() + 1000 })
    let reads = 0
    const hot = { ...fake.clock, now: () => (reads++ > 2 ? 2000 : 0), afterIo: () => {} }
    fake = { ...fake, connection: { ...fake.connection, clock: hot } }
    open()
    put('a::1', 1, { expires: hot.wallNow() + 1000 })
    let served = 0
    while (read('a::1') !== undefined) served++
    expect(served).toBeLessThan(40)
  })
})

describe('stamps', () => {
  test('judge an entry once per version; dead goes, unknown waits', () => {
    put('a::1', 1)
    read('a::1')
    read('a::1')
    expect(stamps.judged).toBe(1)
    stamps = { version: 2, judged: 0, says: 'unknown' }
    expect([read('a::1'), near.size]).toEqual([undefined, 1])
    stamps.says = 'alive'
    expect(read('a::1')).toBe(1)
    stamps = { version: 3, judged: 0, says: 'dead' }
    expect([read('a::1'), near.size]).toEqual([undefined, 0])
  })
})

describe('a value that is handed out', () => {
  const rich = (): Record<string, unknown> => ({
    buffer: Buffer.from('abc'),
    date: new Date(5),
    map: new Map([['k', { n: 1 }]]),
    set: new Set([[1]]),
    big: 5n,
    bytes: new Uint8Array([1, 2]),
    list: [{ n: 1 }],
    ['__proto__x']: 1,
  })

  test('under freeze cannot be changed, not even by who brought it', () => {
    const value = { user: { names: ['Ada'] }, n: null }
    put('a::1', value)
    expect(read('a::1')).toBe(value)
    expect(() => value.user.names.push('x')).toThrow(TypeError)
    expect(Object.isFrozen(value.user)).toBe(true)
  })

  test.each<[NearCopy, () => unknown]>([
    ['freeze', rich],
    ['clone', rich],
    ['clone', () => ({ list: [{ n: 1 }] })],
  ])('under %s is a copy that shares nothing', (copy, make) => {
    open({ copy })
    const original = make()
    put('a::1', original)
    for (const victim of [original, read('a::1')] as Record<string, unknown>[]) {
      ;(victim['list'] as { n: number }[])[0]!.n = 9
      ;(victim['buffer'] as Buffer | undefined)?.fill(0)
      ;(victim['map'] as Map<string, unknown> | undefined)?.clear()
      ;(victim['set'] as Set<unknown> | undefined)?.clear()
      ;(victim['date'] as Date | undefined)?.setTime(0)
    }
    const again = read('a::1') as Record<string, unknown>
    expect(again).toEqual(make())
    expect(Buffer.isBuffer(again['buffer'])).toBe(
      copy === 'freeze' || again['buffer'] !== undefined,
    )
  })

  test('under none is the value itself', () => {
    open({ copy: 'none' })
    const value = { n: 1 }
    put('a::1', value)
    value.n = 2
    expect(read('a::1')).toBe(value)
  })

  test('keeps an own __proto__ a plain key, and survives cycles', () => {
    open({ copy: 'clone' })
    const value = JSON.parse('{"__proto__":{"admin":true}}') as { self?: unknown }
    value.self = value
    put('a::1', value)
    const copy = read('a::1') as { self: unknown; admin?: boolean }
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(copy.admin).toBeUndefined()
    expect(copy.self).toBe(copy)
    open()
    put('a::1', value)
    expect(Object.isFrozen(read('a::1'))).toBe(true)
  })
})

describe('keys of the caller', () => {
  const hold = (redisKey: string, key: string, value: unknown): void =>
    void near.keep(near.ticket(redisKey, key), draft(value))

  test('are found by their own name and dropped by the name in Redis', () => {
    hold('a::user%201', 'user 1', 'x')
    expect([read('user 1'), read('a::user%201')]).toEqual(['x', undefined])
    near.drop('a::user%201')
    expect(read('user 1')).toBeUndefined()
  })

  test('that share a name in Redis are never both held, so that a drop takes what is held', () => {
    hold('a::a_b', 'a b', 1)
    hold('a::a_b', 'a_b', 2)
    expect([read('a b'), read('a_b'), near.size]).toEqual([undefined, 2, 1])
    near.drop('a::a_b')
    expect(near.size).toBe(0)
  })

  test('that were evicted and came back are still dropped', () => {
    for (const round of [1, 2]) for (let i = 0; i < 9; i++) hold(`a::${i}`, `k${i}`, round)
    expect(near.size).toBe(3)
    for (let i = 0; i < 9; i++) near.drop(`a::${i}`)
    expect(near.size).toBe(0)
  })
})

test('in every order of events serves what still is, as long as it is, and nothing else', async () => {
  const KEYS = ['a::1', 'a::2', 'a::3']
  const key = fc.constantFrom(...KEYS)
  const often = ['ask', 'answer', 'answer', 'wait', 'alive', 'on'] as const
  const rare = [
    'write',
    'signal',
    'lost',
    'flush',
    'clear',
    'pattern',
    'close',
    'dead',
    'unknown',
  ] as const
  const event = fc.oneof(
    { weight: 5, arbitrary: fc.record({ what: fc.constantFrom(...often), key }) },
    fc.record({ what: fc.constantFrom(...rare), key }),
  )
  interface Model {
    readonly value: number
    readonly endsAt: number
    readonly freshEndsAt: number
  }
  const counts = { fresh: 0, stale: 0, none: 0 }

  async function run(events: readonly { what: string; key: string }[]): Promise<void> {
    fake = fakeConnection()
    fake.serverNow = 0
    open({ ttlMs: 700 })
    stamps = { version: 1, judged: 0, says: 'alive' }
    let on = true
    let closed = false
    let next = 0
    const asked = new Map<string, Ticket>()
    const torn = new Set<Ticket>()
    const held = new Map<string, Model>()

    function forget(which: readonly string[], andAsked: readonly string[] = which): void {
      for (const one of which) held.delete(one)
      for (const one of andAsked) if (asked.has(one)) torn.add(asked.get(one)!)
    }

    async function happen(what: string, its: string): Promise<void> {
      if (what === 'ask') asked.set(its, near.ticket(its))
      else if (what === 'answer') {
        const ticket = asked.get(its)
        if (ticket === undefined) return
        const value = next++
        // Every other one has no stale share, and ends by near.ttl.
        const freshMs = value % 2 === 0 ? 300 : 1_000
        near.keep(ticket, draft(value, { expires: 1_005, freshUntil: freshMs + 5 }))
        if (!on || closed || torn.has(ticket)) return
        const now = fake.clock.now()
        held.set(its, { value, endsAt: now + 700, freshEndsAt: now + freshMs })
      } else if (what === 'wait') await fake.clock.advance(250)
      else if (what === 'dead' || what === 'unknown' || what === 'alive') {
        stamps.version++
        stamps.says = what
      } else {
        if (what === 'close') closed = true
        if (what === 'lost') on = false
        if (what === 'on') {
          if (on) return
          on = true
        }
        if (what === 'write') near.drop(its)
        else if (what === 'signal') fake.signal(its)
        else if (what === 'flush') fake.flush()
        else if (what === 'clear') near.clear()
        else if (what === 'close') near.close()
        else if (what === 'pattern') near.dropMatching((one) => one === its)
        else fake.state(what as 'on' | 'lost')
        if (what === 'write' || what === 'signal') forget([its])
        else forget(what === 'pattern' ? [its] : KEYS, KEYS)
      }
    }

    function check(): void {
      const now = fake.clock.now()
      for (const one of KEYS) {
        const there = held.get(one)
        const alive = there !== undefined && now < there.endsAt && stamps.says === 'alive'
        const fresh = alive && now < there.freshEndsAt
        expect(near.fresh(one)?.value).toBe(fresh ? there.value : undefined)
        expect(read(one)).toBe(alive ? there.value : undefined)
        expect(near.fresh(one)?.value).toBe(fresh ? there.value : undefined)
        // What was found dead is not looked at again.
        if (there !== undefined && stamps.says === 'dead') held.delete(one)
        counts[fresh ? 'fresh' : alive ? 'stale' : 'none']++
      }
    }

    for (const { what, key: its } of events) {
      await happen(what, its)
      check()
    }
  }

  await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 40, size: 'max' }), run), {
    numRuns: 1_000,
  })
  expect(Math.min(counts.fresh, counts.stale)).toBeGreaterThan(100)
})
