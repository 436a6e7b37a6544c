import { randomBytes } from 'node:crypto'
import { memoryAfterGc, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { codeOf, openSide, source } from './bed.ts'

/** `CORRAL_FLOOD=1000000` takes minutes; a tenth of it shows what grows. */
const FLOOD = Number(process.env['CORRAL_FLOOD'] ?? 100_000)
const GOOD = 200

let server: TestRedis
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))

const owner = (token: string): string | undefined => (token.startsWith('good') ? 'ada' : undefined)

async function size(): Promise<number> {
  return Number(await server.command('DBSIZE'))
}

describe.each(['near: false', 'near'] as const)(`${FLOOD} made-up tokens, %s`, (tier) => {
  it(
    'fill neither memory nor Redis, and push no good one out',
    async () => {
      const near = tier === 'near' ? { near: { maxEntries: 1_000 } } : {}
      const side = openSide(server, { maxRejected: 1_000, ...near })
      const { auth } = side
      if (tier === 'near') await side.connection.signals.whenOn(10_000)
      const db = source(owner)
      const good = Array.from({ length: GOOD }, (_, i) => `good-${i}`)
      for (let i = 0; i < 3; i++)
        await Promise.all(good.map((token) => auth.authenticate(token, db.verify)))
      await waitFor(async () => (await size()) === GOOD + 1)
      expect(db.calls).toBe(GOOD)
      const made = (): string => randomBytes(16).toString('base64url')
      async function flood(count: number): Promise<void> {
        for (let at = 0; at < count; at += 500) {
          const codes = await Promise.all(
            Array.from({ length: 500 }, () => codeOf(auth.authenticate(made(), db.verify))),
          )
          expect(new Set(codes)).toEqual(new Set(['TOKEN_INVALID']))
          // Leases of those under way, and no more.
          if (at % 10_000 === 0) expect(await size()).toBeLessThanOrEqual(GOOD + 1 + 64)
        }
      }
      // What is allocated once is there after the first.
      await flood(10_000)
      const before = await memoryAfterGc()
      await flood(FLOOD - 10_000)
      const grown = (await memoryAfterGc()) - before
      expect(grown).toBeLessThan(3_000_000)
      await waitFor(async () => (await size()) === GOOD + 1)
      const calls = db.calls
      const commands = await side.client.info('commandstats')
      for (const token of good) await auth.authenticate(token, db.verify)
      expect(db.calls).toBe(calls)
      // With near copies, still without a command for each.
      const reads = (text: string): number =>
        Number(/cmdstat_mget:calls=(\d+)/.exec(text)?.[1] ?? 0)
      const asked = reads(await side.client.info('commandstats')) - reads(commands)
      if (tier === 'near') expect(asked).toBe(0)
      await side.end()
    },
    Math.max(120_000, FLOOD),
  )

  it('at one time: verifiers are bounded, the line too, and good ones pass', async () => {
    const near = tier === 'near' ? { near: { maxEntries: 1_000 } } : {}
    const side = openSide(server, { maxVerifications: 8, maxWaiting: 100, ...near })
    const { auth } = side
    let running = 0
    let most = 0
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    const verify = async (token: string) => {
      if (token.startsWith('good')) return { userId: 'ada' }
      most = Math.max(most, ++running)
      await held
      running--
      return undefined
    }
    await auth.authenticate('good-1', verify)
    const calls = Array.from({ length: 2_000 }, (_, i) =>
      codeOf(auth.authenticate(`made-up-${i}`, verify)),
    )
    await waitFor(() => running === 8)
    expect(await codeOf(auth.authenticate('good-1', verify))).toBe('resolved')
    release()
    const codes = await Promise.all(calls)
    expect(most).toBe(8)
    const told = codes.filter((code) => code === 'TOKEN_INVALID').length
    expect(told).toBeGreaterThanOrEqual(108)
    expect(codes.filter((code) => code === 'AUTH_UNAVAILABLE').length).toBe(2_000 - told)
    await side.end()
  })
})

describe('while Redis is away', () => {
  it('nothing is left of what could not be read', async () => {
    const side = openSide(server, { near: { maxEntries: 1_000 } })
    const { auth } = side
    await side.connection.signals.whenOn(10_000)
    side.connection.isolate()
    async function ask(from: number, to: number): Promise<void> {
      for (let at = from; at < to; at += 500) {
        const all = await Promise.all(Array.from({ length: 500 }, (_, i) => auth.get(`u${at + i}`)))
        expect(all.every((it) => it === undefined)).toBe(true)
      }
    }
    await ask(0, 20_000)
    const before = await memoryAfterGc()
    await ask(20_000, 60_000)
    expect((await memoryAfterGc()) - before).toBeLessThan(3_000_000)
    side.connection.reset()
    await side.end()
  }, 120_000)
})
