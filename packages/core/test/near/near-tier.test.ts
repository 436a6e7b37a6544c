import { startProxy, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createNearTier, type NearTier } from '../../src/near/near-tier.ts'
import { createStampBook, type StampBook } from '../../src/stamps/stamp-book.ts'
import { openSide, serverMicros, type Side } from '../stamps/harness.ts'

let server: TestRedis
let side: Side
let book: StampBook
let near: NearTier

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

async function start(at: { host: string; port: number }, deadline = '5s'): Promise<void> {
  side = openSide(at, { deadline: deadline as '5s' })
  const { connection } = side
  book = createStampBook({ connection, namespace: 's', ttlMs: 60_000 })
  near = createNearTier({ connection, prefix: 's::', book, maxEntries: 1000, ttlMs: 60_000 })
  await connected()
}
async function connected(): Promise<void> {
  await waitFor(
    async () => {
      await book.learnBase()
      await new Promise((resolve) => setImmediate(resolve))
      return book.baseKnown && side.connection.signals.state === 'on'
    },
    { what: 'signals and stamps', timeout: 20_000 },
  )
}
beforeEach(async () => {
  await server.command('FLUSHALL')
  await start(server)
})
afterEach(async () => {
  near.close()
  book.close()
  await side.end()
})

/** Reads as a cache does: near first, then Redis. */
async function get(key: string, expires?: number): Promise<{ near: boolean; value: unknown }> {
  const hit = near.peek(key)
  if (hit !== undefined) return { near: true, value: near.valueOf(hit) }
  const ticket = near.ticket(key)
  const [value] = await Promise.all([side.connection.get(key), book.learnBase()])
  if (value === null) return { near: false, value }
  const loadedAt = Number(value.split('@')[1] ?? 9e15)
  const draft = { value, loadedAt, tags: [], seen: [], costMs: undefined }
  near.keep(ticket, { ...draft, expires, freshUntil: expires })
  return { near: false, value }
}

test('a change by redis-cli is seen within 20 ms, and never undone by a read that it overtook', async () => {
  const took: number[] = []
  for (let i = 0; i < 60; i++) {
    const key = `s::${i % 3}`
    await server.command('SET', key, `a${i}`)
    await waitFor(
      async () => {
        const { near: kept, value } = await get(key)
        return kept && value === `a${i}`
      },
      { what: 'a near hit', interval: 1 },
    )
    const from = performance.now()
    // The read and the write race.
    const [, raced] = await Promise.all([server.command('SET', key, `b${i}`), get(key)])
    expect([`a${i}`, `b${i}`]).toContain(raced.value)
    await waitFor(async () => (await get(key)).value === `b${i}`, { what: 'b', interval: 0 })
    took.push(performance.now() - from)
    expect((await get(key)).value).toBe(`b${i}`)
  }
  expect(took.toSorted((a, b) => a - b)[30]).toBeLessThan(20)
})

test('an entry is not served beyond its end by the clock of the server', async () => {
  const end = Math.floor((await serverMicros(server)) / 1000) + 300
  await server.command('SET', 's::a', 'x', 'PXAT', end)
  await waitFor(async () => (await get('s::a', end)).near, { what: 'a near hit', interval: 1 })
  let last = 0
  await waitFor(
    async () => {
      if (near.peek('s::a') === undefined) return true
      last = performance.timeOrigin + performance.now()
      return false
    },
    { what: 'the end', interval: 1 },
  )
  expect(last).toBeLessThan(end)
})

test('a clear by another process kills what is kept here', async () => {
  await server.command('SET', 's::a', `x@${await serverMicros(server)}`)
  await waitFor(async () => (await get('s::a')).near, { what: 'a near hit', interval: 1 })
  const other = openSide(server)
  const theirs = createStampBook({ connection: other.connection, namespace: 's', ttlMs: 60_000 })
  await theirs.stampNamespace()
  await waitFor(() => near.peek('s::a') === undefined, { what: 'the clear', interval: 1 })
  await book.learnBase()
  expect(near.peek('s::a')).toBeUndefined()
  theirs.close()
  await other.end()
})

test('nothing is served once signals are cut or hang, and reads are right when they are back', async () => {
  await server.command('SET', 's::a', 'old')
  await waitFor(async () => (await get('s::a')).near, { what: 'a near hit', interval: 1 })
  await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await waitFor(() => near.peek('s::a') === undefined, { what: 'the loss', interval: 1 })
  await server.command('SET', 's::a', 'new')
  expect(await get('s::a')).toEqual({ near: false, value: 'new' })
  await connected()
  await waitFor(async () => (await get('s::a')).near, { what: 'a near hit', interval: 1 })
  expect((await get('s::a')).value).toBe('new')

  near.close()
  book.close()
  await side.end()
  const proxy = await startProxy({ target: server })
  await start(proxy, '200ms')
  await waitFor(async () => (await get('s::a')).near, { what: 'a near hit', interval: 1 })
  proxy.blackHole()
  await server.command('SET', 's::a', 'newest')
  await waitFor(() => near.peek('s::a') === undefined, {
    what: 'the loss to be noticed',
    interval: 5,
    timeout: 5000,
  })
  await proxy.heal()
  await connected()
  expect((await get('s::a')).value).toBe('newest')
  await proxy.close()
})
