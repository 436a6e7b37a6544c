import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase, type Database } from './database.ts'

describe('openDatabase', () => {
  let database: Database

  beforeAll(async () => {
    database = await openDatabase({ users: 100, latencyMs: 25, pool: 2 })
  }, 30_000)

  afterAll(() => database.close())

  it('holds the same users at every start', async () => {
    expect(await database.user(42)).toEqual({
      id: 42,
      name: 'User 42',
      email: 'user42@example.org',
      plan: 'free',
      credits: 2598,
      version: 1,
      updatedAt: '2026-01-01T00:00:00.000Z',
    })
    expect(await database.user(101)).toBeUndefined()
  })

  it('changes only what is given', async () => {
    const changed = await database.updateUser(7, { credits: 1 })
    expect(changed).toMatchObject({ id: 7, name: 'User 7', credits: 1, version: 2 })
    expect(await database.user(7)).toEqual(changed)
    expect(await database.updateUser(101, { credits: 1 })).toBeUndefined()
  })

  it('reports over a share of the users', async () => {
    const report = await database.report(3)
    expect(report.users).toBe(2)
    expect(Object.values(report.plans).reduce((sum, users) => sum + users, 0)).toBe(2)
  })

  it('counts each statement and runs no more at once than the pool has places', async () => {
    const before = database.queries
    const start = performance.now()
    await Promise.all([1, 2, 3, 4, 5].map((id) => database.user(id)))
    expect(database.queries - before).toBe(5)
    // Five queries of 25 ms, two at a time, take three rounds (timers may fire 1 ms early).
    expect(performance.now() - start).toBeGreaterThan(70)
  })
})
