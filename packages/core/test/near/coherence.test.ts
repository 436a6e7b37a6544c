import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createCache, type Cache } from '../../src/index.ts'
import { openSide, type Side } from '../stamps/harness.ts'

const KEYS = 12
const OPERATIONS = 12_000
const CALLERS = 24
/** By then every signal has arrived, on a busy machine too. */
const SETTLED_MS = 1_000

let server: TestRedis
let sides: { readonly side: Side; readonly cache: Cache }[]

beforeAll(async () => {
  server = await startRedis()
  sides = [0, 1, 2].map(() => {
    const side = openSide(server)
    const cache = createCache({
      connection: side.connection,
      namespace: 's',
      near: { maxEntries: 100, ttl: '1h' },
    })
    return { side, cache }
  })
})
afterAll(async () => {
  for (const { side, cache } of sides) {
    await cache.close()
    await side.end()
  }
  await server.stop()
})

/** What a reader must not see less than. */
interface Floor {
  readonly version: number
  readonly at: number
}

test('three processes, near tiers on: nothing invalidated here is served here, nor anywhere once settled', async () => {
  const source = new Array<number>(KEYS).fill(0)
  const own = sides.map(() => new Array<number>(KEYS).fill(0))
  const everywhere: Floor[][] = source.map(() => [])
  const seed = Date.now() % 1e9
  let state = seed
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return Math.floor((state / 0x7fffffff) * below) % below
  }
  const tagOf = (key: number): string => `t${key % 3}`
  const stale: string[] = []
  let nearHits = 0

  function settledFloor(key: number, now: number): number {
    let floor = 0
    for (const { version, at } of everywhere[key] as Floor[]) {
      if (now - at >= SETTLED_MS) floor = Math.max(floor, version)
    }
    return floor
  }

  async function read(at: number): Promise<void> {
    const key = random(KEYS)
    const { cache } = sides[at]!
    const floor = Math.max(own[at]![key]!, settledFloor(key, performance.now()))
    const peeked = cache.peek<number>(`k${key}`)
    if (peeked !== undefined) nearHits++
    const value =
      peeked ??
      (await cache.getOrSet(
        `k${key}`,
        async () => {
          const version = source[key]!
          for (let i = random(4); i > 0; i--) await new Promise((done) => setImmediate(done))
          return version
        },
        { ttl: '1h', tags: [tagOf(key)] },
      ))
    if (value < floor) stale.push(`seed ${seed}: process ${at} read k${key} = ${value} < ${floor}`)
  }

  /** Changes the source, takes the cache's copies away, and then holds everybody to it. */
  async function change(at: number): Promise<void> {
    const key = random(KEYS)
    const { cache } = sides[at]!
    const kind = random(20)
    source[key]!++
    const versions = [...source]
    const reached = (other: number): boolean => {
      if (kind === 0) return true
      return kind < 6 ? tagOf(other) === tagOf(key) : other === key
    }
    if (kind === 0) expect(await cache.clear()).toBe(true)
    else if (kind < 6) expect(await cache.invalidateTags([tagOf(key)])).toBe(true)
    else if (kind < 8) await cache.deletePattern(`k${key}`)
    else if (kind < 12) await server.command('DEL', `s::k${key}`)
    else expect(await cache.delete(`k${key}`)).toBe(true)
    const now = performance.now()
    versions.forEach((version, other) => {
      if (!reached(other)) return
      const history = everywhere[other]!
      history.push({ version, at: now })
      if (history.length > 5_000) history.shift()
      // What redis-cli does is known here when its signal arrives.
      if (kind < 8 || kind >= 12) own[at]![other] = Math.max(own[at]![other]!, version)
    })
  }

  let left = OPERATIONS
  async function caller(index: number): Promise<void> {
    while (left-- > 0) {
      const at = (index + random(3)) % 3
      await (random(12) === 0 ? change(at) : read(at))
      // Near hits ask nobody: let signals in.
      if (random(4) === 0) await new Promise((done) => setImmediate(done))
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, (_, index) => caller(index)))
  expect(stale).toEqual([])
  expect(nearHits).toBeGreaterThan(OPERATIONS / 20)
})

test.each<[string, (cache: Cache) => Promise<unknown>]>([
  ['delete', (cache) => cache.delete('one')],
  ['set', (cache) => cache.set('one', -1, { tags: ['t'] })],
  ['tag', (cache) => cache.invalidateTags(['t'])],
  ['clear', (cache) => cache.clear()],
  ['pattern', (cache) => cache.deletePattern('on?')],
  ['redis-cli', () => server.command('DEL', 's::one')],
])('a %s by another process ends near hits here within 20 ms', async (_, change) => {
  const took: number[] = []
  for (let round = 0; round < 30; round++) {
    const here = sides[round % 2]!.cache
    await waitFor(
      async () => {
        const value = await here.getOrSet('one', () => round, { ttl: '1h', tags: ['t'] })
        return value === round && here.peek('one') === round
      },
      { what: 'a near hit', interval: 1 },
    )
    const from = performance.now()
    await change(sides[2]!.cache)
    await waitFor(() => here.peek('one') !== round, { what: 'the signal', interval: 0 })
    took.push(performance.now() - from)
    expect(await here.get('one')).not.toBe(round)
    await sides[2]!.cache.delete('one')
    await waitFor(() => here.peek('one') === undefined, { what: 'the delete', interval: 0 })
  }
  expect(took.toSorted((a, b) => a - b)[15]).toBeLessThan(20)
})
