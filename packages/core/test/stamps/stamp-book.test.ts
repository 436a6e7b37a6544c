import { monitor, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createStampBook, type Stampable, type StampBook } from '../../src/stamps/stamp-book.ts'
import { openSide, serverMicros, type Side } from './harness.ts'

let server: TestRedis
let here: Side
let there: Side
let mine: StampBook
let theirs: StampBook

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await server.command('FLUSHALL')
  here = openSide(server)
  there = openSide(server)
  mine = createStampBook({ connection: here.connection, namespace: 'shop:v1', ttlMs: 60_000 })
  theirs = createStampBook({ connection: there.connection, namespace: 'shop:v1', ttlMs: 60_000 })
})
afterEach(async () => {
  mine.close()
  theirs.close()
  await Promise.all([here.end(), there.end()])
})

const loaded = async (...tags: string[]): Promise<Stampable> => ({
  loadedAt: await serverMicros(server),
  tags,
  seen: [],
})

/** Learns until it can be kept, which is once signals are on. */
async function coherent(book: StampBook, ...tags: string[]): Promise<void> {
  await waitFor(
    async () => {
      await book.learn(tags)
      await new Promise((resolve) => setImmediate(resolve))
      return book.baseKnown && book.verdict({ loadedAt: 9e15, tags, seen: [] }) === 'alive'
    },
    { what: 'stamps that are kept' },
  )
}

describe('on a real Redis', () => {
  test('another process learns of a tag and of a clear by signals, without asking before', async () => {
    await coherent(theirs, 't')
    const old = await loaded('t')
    const plain = await loaded()
    expect(theirs.verdict(old)).toBe('alive')
    expect(await mine.invalidateTags(['t'])).toBe(true)
    expect(mine.verdict(old)).toBe('dead')
    await waitFor(() => theirs.verdict(old) !== 'alive', { what: 'the signal', interval: 1 })
    const newer = await loaded('t')
    await theirs.learn(['t'])
    expect(theirs.verdict(old)).toBe('dead')
    expect(theirs.verdict(plain)).toBe('alive')
    expect(theirs.verdict(newer)).toBe('alive')

    await mine.stampNamespace()
    expect(mine.verdict(plain)).toBe('dead')
    await waitFor(() => theirs.verdict(plain) !== 'alive', { what: 'the signal', interval: 1 })
    const newest = await loaded('t')
    await theirs.learn(['t'])
    expect(theirs.verdict(newer)).toBe('dead')
    expect(theirs.verdict(newest)).toBe('alive')
  })

  test('a deep clear reaches namespaces below, and none beside', async () => {
    const [child, sibling] = ['shop:v1:profiles', 'shop:v11'].map((namespace) =>
      createStampBook({ connection: there.connection, namespace, ttlMs: 60_000 }),
    ) as [StampBook, StampBook]
    const old = await loaded()
    await mine.stampNamespace()
    await Promise.all([child.learnBase(), sibling.learnBase()])
    expect([child.verdict(old), sibling.verdict(old)]).toEqual(['alive', 'alive'])
    await new Promise((resolve) => setImmediate(resolve))
    await mine.stampNamespace({ deep: true })
    await waitFor(
      async () => {
        await Promise.all([child.learnBase(), sibling.learnBase()])
        return child.verdict(old) === 'dead'
      },
      { what: 'the deep stamp' },
    )
    expect(sibling.verdict(old)).toBe('alive')
    for (const book of [child, sibling]) book.close()
  })

  test('commands: none with signals on; with them off one MGET with the entry, one more for tags', async () => {
    await coherent(mine, 't')
    const seen = await monitor(server)
    const local = `${here.client.stream.localAddress}:${here.client.stream.localPort}`
    await Promise.all([mine.learn(['t']), here.connection.get('shop:v1::a')])
    expect((await seen.commands({ client: local })).map(({ args }) => args)).toEqual([
      ['shop:v1::a'],
    ])

    const deaf = openSide(server, { signals: false })
    const book = createStampBook({
      connection: deaf.connection,
      namespace: 'shop:v1',
      ttlMs: 60_000,
    })
    await deaf.connection.get('shop:v1::a')
    await seen.clear()
    const client = `${deaf.client.stream.localAddress}:${deaf.client.stream.localPort}`
    await Promise.all([deaf.connection.get('shop:v1::a'), book.learnBase(), book.learnBase()])
    await book.learn(['t'])
    const sent = await seen.commands({ client })
    expect(sent.map(({ name, args }) => [name, ...args])).toEqual([
      [
        'MGET',
        'shop:v1::a',
        'corral:stamp:{shop:v1}',
        'corral:deep:{shop}',
        'corral:deep:{shop:v1}',
      ],
      [
        'MGET',
        'corral:stamp:{shop:v1}:t',
        'corral:stamp:{shop:v1}',
        'corral:deep:{shop}',
        'corral:deep:{shop:v1}',
      ],
    ])
    await seen.close()
    book.close()
    await deaf.end()
  })

  test('copies are dropped when signals are cut, and kept again when they are back', async () => {
    await coherent(theirs, 't')
    const old = await loaded('t')
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await waitFor(() => !theirs.baseKnown, { what: 'the loss' })
    // Meanwhile each call asks, and so knows at once.
    await mine.invalidateTags(['t'])
    await theirs.learn(['t'])
    expect(theirs.verdict(old)).toBe('dead')
    await coherent(theirs, 't')
  })

  test('works when Redis is full', async () => {
    await mine.invalidateTags(['old'])
    await mine.stampNamespace()
    await server.command('SET', 'filler', 'x'.repeat(2_000_000))
    await server.command('CONFIG', 'SET', 'maxmemory', '1500000')
    try {
      await expect(server.command('SET', 'more', 'x'.repeat(1000))).rejects.toThrow(/OOM/)
      const old = await loaded('old', 'new')
      expect(await mine.invalidateTags(['new', 'old'])).toBe(true)
      expect(await mine.stampNamespace()).toBeGreaterThan(old.loadedAt as number)
      expect(mine.verdict(old)).toBe('dead')
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', '0')
    }
  })

  test('stamps have the ends that they should', async () => {
    mine.noteTtl(7 * 86_400_000)
    await mine.invalidateTags(['t'])
    await mine.stampNamespace()
    expect(Number(await server.command('PTTL', 'corral:stamp:{shop:v1}:t'))).toBeGreaterThan(
      7 * 86_400_000,
    )
    expect(Number(await server.command('PTTL', 'corral:stamp:{shop:v1}'))).toBe(-1)
  })

  test('an invalidation while Redis is frozen is not acknowledged, in time, and holds here', async () => {
    const hasty = openSide(server, { deadline: '100ms' })
    const book = createStampBook({
      connection: hasty.connection,
      namespace: 'shop:v1',
      ttlMs: 60_000,
    })
    await waitFor(
      async () => {
        await book.learn(['t'])
        return true
      },
      { what: 'a first answer' },
    )
    const old = await loaded('t')
    await server.pause()
    try {
      expect(await book.invalidateTags(['t'])).toBe(false)
      expect(book.lastError?.code).toBe('REDIS_UNAVAILABLE')
      expect(book.verdict(old)).toBe('dead')
    } finally {
      await server.resume()
    }
    await waitFor(() => book.invalidateTags(['t']), { what: 'Redis to be back' })
    const fresh = await loaded('t')
    await book.learn(['t'])
    expect(book.verdict(fresh)).toBe('alive')
    book.close()
    await hasty.end()
  })
})
