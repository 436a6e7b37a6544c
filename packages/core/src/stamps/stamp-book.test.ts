import { CorralError } from '@corral/connection'
import { beforeEach, describe, expect, test } from 'vitest'
import { fakeConnection, type FakeConnection } from '../../test/stamps/fake-connection.ts'
import { createStampBook, type Stampable, type StampBook } from './stamp-book.ts'

let fake: FakeConnection
let book: StampBook

const away = new CorralError('REDIS_UNAVAILABLE', 'away')
const entry = (loadedAt: number, ...tags: string[]): Stampable => ({ loadedAt, tags, seen: [] })

beforeEach(() => {
  fake = fakeConnection()
  book = createStampBook({ connection: fake.connection, namespace: 'a:b', ttlMs: 60_000 })
})

/** Answers everything that is open with what the test says stands there. */
async function answer(stamps: Record<string, string> = {}): Promise<void> {
  while (fake.open > 0) {
    const call = fake.next()
    await call.answer(stamps[call.keys[0] as string] ?? null)
  }
}

async function turnOn(): Promise<void> {
  const first = book.learnBase()
  fake.state('on')
  await answer()
  await first
}

describe('stamps while signals are not on', () => {
  test('are read anew for every call, once for all callers of a tick', async () => {
    const both = Promise.all([book.learnBase(), book.learnBase(), book.learn(['t'])])
    expect(fake.calls.map(({ keys }) => keys[0])).toEqual([
      'corral:stamp:{a:b}',
      'corral:deep:{a}',
      'corral:deep:{a:b}',
      'corral:stamp:{a:b}:t',
    ])
    await answer({ 'corral:stamp:{a:b}:t': '50' })
    await both
    expect(book.verdict(entry(50, 't'))).toBe('dead')
    expect(book.verdict(entry(51, 't'))).toBe('alive')
    await fake.clock.advance(0)
    expect(book.verdict(entry(51, 't'))).toBe('unknown')
    expect(book.verdict(entry(50, 't'))).toBe('dead')
    expect(book.baseKnown).toBe(false)
    const again = book.learnBase()
    expect(fake.open).toBe(3)
    await answer()
    await again
  })

  test('a second tick asks for itself although the first has no answer yet', async () => {
    const first = book.learnBase()
    await new Promise<void>((resolve) => process.nextTick(resolve))
    const second = book.learnBase()
    expect(fake.open).toBe(6)
    await answer()
    await Promise.all([first, second])
  })

  test('a call that begins when an answer came asks for itself, in the same turn too', async () => {
    const first = book.learnBase()
    await answer()
    await first
    expect(book.verdict(entry(51))).toBe('alive')
    expect(book.baseKnown).toBe(false)
    const second = book.learnBase()
    expect(fake.open).toBe(3)
    await answer({ 'corral:stamp:{a:b}': '60' })
    await second
    expect(book.verdict(entry(51))).toBe('dead')
  })

  test('a failed read rejects, and tells nothing', async () => {
    const learnt = book.learn(['t'])
    while (fake.open > 0) void fake.next().fail(away)
    await expect(learnt).rejects.toBe(away)
    expect(book.verdict(entry(51))).toBe('unknown')
  })
})

describe('stamps while signals are on', () => {
  test('are kept until a signal names them', async () => {
    await turnOn()
    await fake.clock.advance(0)
    expect(book.baseKnown).toBe(true)
    const learnt = book.learn(['t'])
    await answer({ 'corral:stamp:{a:b}:t': '50' })
    await learnt
    await fake.clock.advance(0)
    expect(book.verdict(entry(51, 't'))).toBe('alive')
    const { version } = book.epoch
    fake.signal('corral:stamp:{other}:t', 'corral:stamp:{a:b}:other')
    expect(book.epoch.version).toBe(version)
    expect(book.verdict(entry(51, 't'))).toBe('alive')
    fake.signal('corral:stamp:{a:b}:t')
    expect(book.epoch.version).not.toBe(version)
    expect(book.verdict(entry(51, 't'))).toBe('unknown')
    expect(book.verdict(entry(51))).toBe('alive')
    fake.signal('corral:deep:{a}')
    expect(book.verdict(entry(51))).toBe('unknown')
  })

  test('a read that a signal overtook is not kept, and read again', async () => {
    await turnOn()
    const learnt = book.learn(['t'])
    const overtaken = fake.next()
    fake.signal('corral:stamp:{a:b}:t')
    // A caller that comes now must not be given the read that left before the signal.
    const later = book.learn(['t'])
    expect(fake.open).toBe(1)
    await overtaken.answer('50')
    expect(book.verdict(entry(60, 't'))).toBe('unknown')
    await answer({ 'corral:stamp:{a:b}:t': '70' })
    await Promise.all([learnt, later])
    expect(book.verdict(entry(60, 't'))).toBe('dead')
    await fake.clock.advance(0)
    expect(book.verdict(entry(71, 't'))).toBe('alive')
  })

  test('a read under way when everything is flushed is not kept, and read again with the rest', async () => {
    await turnOn()
    const learnt = book.learn(['t'])
    const read = fake.next()
    fake.flush()
    await read.answer('50')
    await answer({ 'corral:stamp:{a:b}:t': '70' })
    await learnt
    expect(book.verdict(entry(60, 't'))).toBe('dead')
    await fake.clock.advance(0)
    expect(book.verdict(entry(71, 't'))).toBe('alive')
  })

  test('nor is a read of the base', async () => {
    await turnOn()
    fake.signal('corral:stamp:{a:b}')
    const learnt = book.learnBase()
    const reads = [fake.next(), fake.next(), fake.next()]
    fake.flush()
    for (const read of reads) await read.answer('50')
    await answer({ 'corral:stamp:{a:b}': '70' })
    await learnt
    expect(book.verdict(entry(60))).toBe('dead')
  })

  test('a read under way when they are lost is not kept', async () => {
    await turnOn()
    const learnt = book.learn(['t'])
    const read = fake.next()
    fake.state('lost')
    fake.state('on')
    await read.answer('50')
    await answer({ 'corral:stamp:{a:b}:t': '70' })
    await learnt
    expect(book.verdict(entry(60, 't'))).toBe('dead')
    expect(book.verdict(entry(71, 't'))).toBe('alive')
    const again = book.learn(['u'])
    const other = fake.next()
    fake.state('lost')
    await other.answer('50')
    await answer()
    await again
    expect(book.verdict(entry(60, 'u'))).toBe('alive')
    await fake.clock.advance(0)
    expect(book.verdict(entry(60, 'u'))).toBe('unknown')
  })

  test('all are dropped when they are lost, and not trusted when they are back', async () => {
    await turnOn()
    fake.state('lost')
    expect(book.baseKnown).toBe(false)
    fake.state('on')
    expect(book.baseKnown).toBe(false)
  })
})

describe('invalidating', () => {
  test('counts here as soon as it is acknowledged, also for another cache of this process', async () => {
    const child = createStampBook({
      connection: fake.connection,
      namespace: 'a:b:c',
      ttlMs: 60_000,
    })
    const done = book.stampNamespace({ deep: true })
    const call = fake.next()
    expect(call.keys).toEqual(['corral:deep:{a:b}'])
    expect(child.verdict(entry(60))).toBe('unknown')
    await call.answer(['70'])
    expect(await done).toBe(70)
    expect(book.verdict(entry(60))).toBe('dead')
    expect(child.verdict(entry(70))).toBe('dead')
    expect(child.verdict(entry(71))).toBe('unknown')

    const tags = book.invalidateTags(['x', 'y', 'x'])
    const tagged = fake.next()
    expect(tagged.keys).toEqual(['corral:stamp:{a:b}:x', 'corral:stamp:{a:b}:y'])
    await tagged.answer(['80', '81'])
    expect(await tags).toBe(true)
    expect(book.verdict(entry(81, 'y'))).toBe('dead')
  })

  test('goes in calls of at most 100 tags', async () => {
    const done = book.invalidateTags(Array.from({ length: 250 }, (_, i) => `t${i}`))
    expect(fake.calls.map(({ keys }) => keys.length)).toEqual([100, 100, 50])
    while (fake.open > 0) {
      const call = fake.next()
      await call.answer(call.keys.map(() => '9'))
    }
    expect(await done).toBe(true)
  })

  test('that was not acknowledged holds until a later one is', async () => {
    await turnOn()
    const learnt = book.learn(['t'])
    await answer()
    await learnt
    const failing = book.invalidateTags(['t'])
    await fake.next().fail(away)
    expect(await failing).toBe(false)
    expect(book.lastError).toBe(away)
    expect(book.verdict(entry(9e15, 't'))).toBe('dead')
    expect(book.verdict(entry(9e15))).toBe('alive')

    const again = book.invalidateTags(['t'])
    await fake.next().answer(['70'])
    expect(await again).toBe(true)
    expect(book.verdict(entry(70, 't'))).toBe('dead')
    expect(book.verdict(entry(71, 't'))).toBe('alive')
  })

  test('a failure outlives the success of an attempt that began before it', async () => {
    const earlier = book.stampNamespace()
    const later = book.stampNamespace()
    const first = fake.next()
    await fake.next().fail(away)
    await first.answer(['70'])
    expect([await earlier, await later]).toEqual([70, undefined])
    expect(book.verdict(entry(9e15))).toBe('dead')
    expect(book.verdict({ loadedAt: undefined, tags: [], seen: [] })).toBe('dead')
  })

  test('a closed book leaves nothing held', async () => {
    book.holdNamespace(false)
    const other = createStampBook({ connection: fake.connection, namespace: 'a:b', ttlMs: 1 })
    expect(other.verdict(entry(9e15))).toBe('dead')
    book.close()
    expect(other.verdict(entry(9e15))).toBe('unknown')
  })

  test('exceeds what is known of other clocks of a cluster', async () => {
    fake = fakeConnection({ isCluster: true })
    fake.serverNow = 1_000_000
    book = createStampBook({ connection: fake.connection, namespace: 'a', ttlMs: 60_000 })
    const learnt = book.learnBase()
    await answer({ 'corral:deep:{a}': '5000000000' })
    await learnt
    void book.stampNamespace()
    expect(fake.next().args).toEqual([0, 5_000_000_000])
    void book.stampNamespace({ deep: true })
    expect(fake.next().args).toEqual([0, 5_000_000_000])
    fake.serverNow = 6_000_000
    void book.stampNamespace({ deep: true })
    expect(fake.next().args).toEqual([0, 6_000_250_000])
    // Within the skew a stamp kills what seems to be newer.
    expect(book.verdict(entry(5_000_200_000))).toBe('dead')
    expect(book.verdict(entry(5_000_250_001))).toBe('alive')
  })

  test('stamps of tags outlive the longest ttl, and a day', async () => {
    void book.invalidateTags(['t'])
    expect(fake.next().args[0]).toBe(86_460_000)
    book.noteTtl(7 * 86_400_000)
    void book.invalidateTags(['t'])
    expect(fake.next().args[0]).toBe(7 * 86_400_000 + 60_000)
    book.noteTtl(Infinity)
    void book.invalidateTags(['t'])
    expect(fake.next().args[0]).toBe(0)
  })
})

describe('what a writer has seen', () => {
  test('is written down while it is near to now, also once the copy is dropped', async () => {
    fake.serverNow = 10_000
    await turnOn()
    const done = book.stampNamespace()
    await fake.next().answer(['9900000'])
    await done
    fake.signal('corral:stamp:{a:b}')
    expect(book.seen(['t'])).toEqual([9_900_000, 0])
    fake.serverNow = 20_000
    expect(book.seen(['t'])).toBeUndefined()
  })
})

describe('copies of tags', () => {
  test('are bounded; those in use stay', async () => {
    book = createStampBook({ connection: fake.connection, namespace: 'n', ttlMs: 1, maxTags: 3 })
    await turnOn()
    for (const tag of ['a', 'b', 'c', 'd', 'e']) {
      const learnt = book.learn([tag])
      await answer()
      await learnt
      expect(book.verdict(entry(1, 'a'))).toBe('alive')
      await fake.clock.advance(0)
    }
    expect(book.verdict(entry(1, 'e'))).toBe('alive')
    expect(book.verdict(entry(1, 'b'))).toBe('unknown')
  })

  test('are found again although their name has no UTF-8 form', async () => {
    await turnOn()
    const learnt = book.learn(['x\uD800'])
    await answer()
    await learnt
    fake.signal('corral:stamp:{a:b}:x\uFFFD')
    expect(book.verdict(entry(1, 'x\uD800'))).toBe('unknown')
  })
})
