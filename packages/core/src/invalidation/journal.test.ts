import { CorralError, createKeyspace } from '@corral/connection'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { fakeConnection, type FakeConnection } from '../../test/stamps/fake-connection.ts'
import { createStampBook, type StampBook } from '../stamps/stamp-book.ts'
import { createJournal, type Journal } from './journal.ts'
import type { SweepJob } from './sweeper.ts'

const away = new CorralError('REDIS_UNAVAILABLE', 'away')
const keyspace = createKeyspace({ namespace: 'a' })
let fake: FakeConnection
let book: StampBook
let journal: Journal
let swept: SweepJob[]
let overflows: number

beforeEach(open)

function open(): void {
  fake = fakeConnection()
  const { connection } = fake
  swept = []
  overflows = 0
  book = createStampBook({ connection, namespace: 'a', ttlMs: 60_000 })
  journal = createJournal({
    connection,
    keyspace,
    book,
    most: 3,
    onOverflow: () => overflows++,
    sweeper: {
      start(job) {
        swept.push(job)
        return Promise.resolve(0)
      },
    },
  })
  fake.available(false)
}

const dead = (...tags: string[]): boolean =>
  book.verdict({ loadedAt: 9e15, tags, seen: [] }) === 'dead'
const ones = (keys: readonly string[]): number[] => keys.map(() => 1)

async function answerAll(): Promise<void> {
  while (fake.open > 0) {
    const call = fake.next()
    await call.answer(call.what === 'stamp' ? call.keys.map(() => '70') : ones(call.keys))
  }
}

describe('a key that was not acknowledged to be gone', () => {
  test('is bypassed until its delete is, which is the first thing sent when Redis is back', async () => {
    expect(journal.bypasses('a::1')).toBe(false)
    journal.addKey('a::1')
    journal.addKey('a::2')
    expect([journal.bypasses('a::1'), journal.bypasses('a::3')]).toEqual([true, false])
    fake.available(true)
    const call = fake.next()
    expect([call.what, call.keys]).toEqual(['remove', ['a::1', 'a::2']])
    expect(journal.bypasses('a::1')).toBe(true)
    await call.answer([1, null])
    expect([journal.bypasses('a::1'), journal.bypasses('a::2'), journal.size]).toEqual([
      false,
      true,
      1,
    ])
    // One chunk failed although Redis is there: nobody tells, so it is tried again by itself.
    await fake.clock.advance(100)
    await answerAll()
    expect([journal.bypasses('a::2'), journal.size, fake.clock.pendingTimers()]).toEqual([
      false,
      0,
      0,
    ])
  })

  test('that fails again while its replay is under way stays', async () => {
    journal.addKey('a::1')
    fake.available(true)
    journal.addKey('a::1')
    await fake.next().answer([1])
    expect(journal.bypasses('a::1')).toBe(true)
  })

  test('is settled by a set or delete that began after it, and not by one before', () => {
    const before = journal.moment()
    journal.addKey('a::1')
    journal.settleKey('a::1', before)
    expect(journal.bypasses('a::1')).toBe(true)
    journal.settleKey('a::1', journal.moment())
    expect(journal.bypasses('a::1')).toBe(false)
    journal.addKey('a::1')
    journal.settleKey('a::1')
    expect(journal.size).toBe(0)
  })

  test('a failed replay keeps it, and tries again more and more slowly', async () => {
    journal.addKey('a::1')
    fake.available(true)
    await fake.next().fail(away)
    expect(journal.bypasses('a::1')).toBe(true)
    const sent: number[] = []
    for (let ms = 0; ms < 10_000; ms += 50) {
      await fake.clock.advance(50)
      if (fake.open === 0) continue
      sent.push(ms)
      await fake.next().fail(away)
    }
    expect(sent.length).toBeGreaterThan(4)
    expect(sent.length).toBeLessThan(15)
    expect(journal.bypasses('a::1')).toBe(true)
  })

  test('is bounded: past the limit the whole namespace is cleared, and swept', async () => {
    for (const key of ['a::1', 'a::2', 'a::3', 'a::4']) journal.addKey(key)
    expect([journal.size, overflows, dead(), journal.bypasses('a::other')]).toEqual([
      1,
      1,
      true,
      true,
    ])
    for (const key of ['a::5', 'a::6', 'a::7', 'a::8']) journal.addKey(key)
    expect([journal.size, overflows]).toEqual([1, 1])
    fake.available(true)
    const call = fake.next()
    expect([call.what, call.keys]).toEqual(['stamp', ['corral:stamp:{a}']])
    await call.answer(['70'])
    expect(swept).toEqual([{ stamp: 70, deep: false }])
    expect([journal.size, dead(), journal.bypasses('a::5')]).toEqual([0, false, false])
  })

  test('that failed while the namespace was being stamped is not forgotten with it', async () => {
    journal.addNamespace(false)
    fake.available(true)
    journal.addKey('a::1')
    await fake.next().answer(['70'])
    expect(journal.bypasses('a::1')).toBe(true)
    await fake.clock.advance(100)
    await answerAll()
    expect(journal.size).toBe(0)
  })
})

describe('tags, namespaces and patterns', () => {
  test('are in force here until they are made up for', async () => {
    journal.addTags(['t'])
    journal.addPattern('user:*')
    expect([dead('t'), dead('u'), dead()]).toEqual([true, false, false])
    expect(journal.bypasses('a::user:1')).toBe(true)
    expect(journal.bypasses('a::order:1')).toBe(false)
    journal.addNamespace(true)
    expect([dead(), journal.bypasses('a::order:1')]).toEqual([true, true])
    expect(journal.size).toBe(3)
  })

  test('tags are sent again together', async () => {
    journal.addTags(['t', 'u'])
    fake.available(true)
    const call = fake.next()
    expect([call.what, call.keys]).toEqual(['stamp', ['corral:stamp:{a}:t', 'corral:stamp:{a}:u']])
    await call.answer(['70', '70'])
    expect([journal.size, dead('t')]).toEqual([0, false])
  })

  test('closing tries once more, and no longer than the deadline', async () => {
    journal.addKey('a::1')
    fake.available(true)
    await fake.next().fail(away)
    let closed = false
    const closing = journal.close().then(() => (closed = true))
    expect(fake.next().what).toBe('remove')
    await fake.clock.advance(199)
    expect(closed).toBe(false)
    await fake.clock.advance(1)
    await closing
    expect(fake.clock.pendingTimers()).toBe(0)
    fake.available(true)
    expect(fake.open).toBe(0)
  })
})

test('is idle in every order of events exactly while no key is bypassed', async () => {
  const names = ['1', '2', '3', '4', '5', 'p', 'q']
  const name = fc.constantFrom(...names)
  const event = fc.oneof(
    { weight: 3, arbitrary: fc.record({ what: fc.constant('key' as const), name }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('settle' as const), name }) },
    { weight: 4, arbitrary: fc.record({ what: fc.constantFrom('answer', 'wait') }) },
    fc.record({
      what: fc.constantFrom('fail', 'part', 'tags', 'namespace', 'away', 'back', 'close'),
    }),
    fc.record({ what: fc.constant('pattern' as const), name: fc.constantFrom('p', 'q') }),
  )
  let bypassing = 0
  let idle = 0

  /** While a replay is under way it may still bypass more than it must. */
  function check(): void {
    const bypassed = names.some((one) => journal.bypasses(`a::${one}`))
    if (fake.open === 0) expect(journal.idle).toBe(!bypassed)
    else if (journal.idle) expect(bypassed).toBe(false)
    if (bypassed) bypassing++
    else idle++
  }

  async function happen(what: string, on: string): Promise<void> {
    if (what === 'key') journal.addKey(`a::${on}`)
    else if (what === 'settle') journal.settleKey(`a::${on}`, journal.moment())
    else if (what === 'tags') journal.addTags(['t', 'u'])
    else if (what === 'pattern') journal.addPattern(on)
    else if (what === 'namespace') journal.addNamespace(false)
    else if (what === 'away' || what === 'back') fake.available(what === 'back')
    else if (what === 'close') void journal.close()
    else if (what === 'wait') await fake.clock.advance(100)
    else if (fake.open > 0) {
      const call = fake.next()
      if (what === 'fail') return call.fail(away)
      if (call.what === 'stamp') return call.answer(call.keys.map(() => '70'))
      return call.answer(call.keys.map((_, i) => (what === 'part' && i === 0 ? null : 1)))
    }
  }

  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40, size: 'max' }), async (events) => {
      open()
      for (const one of events) {
        await happen(one.what, 'name' in one ? one.name : '')
        check()
      }
      fake.available(true)
      await answerAll()
      check()
    }),
    { numRuns: 500 },
  )
  expect(Math.min(bypassing, idle)).toBeGreaterThan(500)
})
