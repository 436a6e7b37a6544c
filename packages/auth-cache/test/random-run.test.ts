import { spawnWorkers, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  EVERYBODY,
  findViolations,
  type Attempt,
  type Event,
  type Revoked,
} from './random-run/history.ts'
import type { Plan } from './random-run/worker.ts'

const WORKERS = 4
/** What the signals of a busy machine may take; those without near copies have no time at all. */
const NEAR_BOUND_MS = 1_500
const boundOf = (worker: number): number => (worker % 2 === 1 ? NEAR_BOUND_MS : 0)

let cache: TestRedis
let db: TestRedis
beforeAll(async () => {
  ;[cache, db] = await Promise.all([startRedis(), startRedis()])
})
afterAll(() => Promise.all([cache.stop(), db.stop()]))
beforeEach(() => Promise.all([cache.command('FLUSHALL'), db.command('FLUSHALL')]))

async function run(
  options: Pick<Plan, 'ms' | 'naive'>,
  faults?: () => Promise<void>,
): Promise<Event[]> {
  const seed = Date.now() % 100_000
  const place = ({ host, port }: TestRedis) => ({ host, port })
  await using workers = await spawnWorkers<Event[]>(
    new URL('random-run/worker.ts', import.meta.url),
    {
      count: WORKERS,
      data: { cache: place(cache), db: place(db), seed, ...options } satisfies Plan,
    },
  )
  const results = workers.results()
  await faults?.()
  const events = (await results).flatMap((part) => part ?? [])
  const attempts = events.filter((event) => event.kind === 'attempt')
  const count = (outcome: string): number => attempts.filter((it) => it.outcome === outcome).length
  process.stderr.write(
    `seed ${seed}: ${attempts.length} attempts, ${count('resolved')} served, ${count('TOKEN_REVOKED')} revoked, ${count('TOKEN_INVALID')} invalid, ${events.length - attempts.length} revocations\n`,
  )
  expect(count('resolved')).toBeGreaterThan(200)
  expect(count('TOKEN_REVOKED') + count('TOKEN_INVALID')).toBeGreaterThan(50)
  return events
}

describe('four processes that log in, authenticate and revoke at random', () => {
  it('serve nothing that was revoked, and refuse nothing that was not', async () => {
    const { served, refused, latest } = findViolations(
      await run({ ms: 6_000, naive: false }),
      boundOf,
    )
    process.stderr.write(`latest served with near copies: ${latest.toFixed(2)} ms\n`)
    expect(served.slice(0, 3)).toEqual([])
    expect(refused.slice(0, 3)).toEqual([])
  })

  it('nor while connections break and Redis freezes', async () => {
    const events = await run({ ms: 8_000, naive: false }, async () => {
      const clients = async (): Promise<number> =>
        String(await cache.command('CLIENT', 'LIST')).split('\n').length
      await waitFor(async () => (await clients()) > WORKERS, { timeout: 20_000 })
      for (let round = 0; round < 4; round++) {
        await cache.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
        await cache.command('CLIENT', 'KILL', 'TYPE', 'normal')
        await waitFor(async () => (await clients()) > WORKERS, { timeout: 20_000 })
        await cache.pause()
        const frozen = Date.now()
        await waitFor(() => Date.now() - frozen > 400)
        await cache.resume()
        const thawed = Date.now()
        await waitFor(() => Date.now() - thawed > 600)
      }
    })
    expect(findViolations(events, boundOf).served.slice(0, 3)).toEqual([])
  })

  it('are caught when they trust their fills', async () => {
    const { served } = findViolations(await run({ ms: 4_000, naive: true }), boundOf)
    expect(served.length).toBeGreaterThan(0)
  })
})

describe('the checker', () => {
  const attempt: Attempt = {
    kind: 'attempt',
    worker: 0,
    token: 'u1-5-100',
    start: 200,
    end: 210,
    outcome: 'resolved',
    verified: undefined,
    issued: 100,
  }
  const user: Revoked = { kind: 'user', target: 'u1', serial: 6, start: 150, acknowledged: 160 }
  const token: Revoked = {
    kind: 'token',
    target: 'u1-5-100',
    serial: 0,
    start: 150,
    acknowledged: 160,
  }
  const served = (...events: Event[]): number => findViolations(events, boundOf).served.length
  const refused = (...events: Event[]): number => findViolations(events, boundOf).refused.length

  it('sees what is served after its revocation, or verified after it', () => {
    expect(served(attempt, user)).toBe(1)
    expect(served(attempt, { ...user, kind: 'all', target: EVERYBODY })).toBe(1)
    expect(served(attempt, token)).toBe(1)
    expect(served({ ...attempt, start: 155, verified: 165 }, token)).toBe(1)
    expect(served({ ...attempt, worker: 1, start: 160 + NEAR_BOUND_MS + 1 }, token)).toBe(1)
  })

  it('allows what is not', () => {
    expect(served({ ...attempt, start: 155 }, token)).toBe(0)
    expect(served({ ...attempt, worker: 1 }, token)).toBe(0)
    expect(served(attempt, { ...user, target: 'u2' })).toBe(0)
    expect(served(attempt, { ...user, acknowledged: undefined })).toBe(0)
    expect(served(attempt, { ...user, serial: 4 })).toBe(0)
    expect(served(attempt, { ...user, kind: 'all', target: EVERYBODY, serial: 4 })).toBe(0)
    expect(served({ ...attempt, outcome: 'TOKEN_REVOKED' }, token)).toBe(0)
  })

  it('sees what is refused without a reason', () => {
    const no: Attempt = { ...attempt, outcome: 'TOKEN_REVOKED' }
    expect(refused(no)).toBe(1)
    expect(refused({ ...no, issued: 170 }, { ...user, serial: 4 })).toBe(1)
    expect(refused(no, { ...user, start: 220 })).toBe(1)
    expect(refused(no, { ...token, target: 'u1-6-100' })).toBe(1)
    expect(refused(no, token)).toBe(0)
    expect(refused(no, user)).toBe(0)
    expect(refused({ ...no, issued: 155 }, { ...user, serial: 4 })).toBe(0)
  })
})
