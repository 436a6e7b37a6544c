import { shareConnection } from '@corral/connection'
import { createCache, type Cache } from '@corral/core'
import { createLocks, type Locks } from '@corral/locks'
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openDatabase, type Database } from '../src/database.ts'
import { grantCredits } from '../src/jobs/grant-credits.ts'
import { mutating, startFixture, type Fixture } from './service-fixture.ts'

let fixture: Fixture

beforeAll(async () => {
  fixture = await startFixture({ DATABASE_LATENCY: '5ms' })
})
afterAll(() => fixture[Symbol.asyncDispose]())

const get = (url: string) => fixture.service.app.inject(url)
const post = (url: string, payload: object): Promise<LightMyRequestResponse> =>
  fixture.service.app.inject({ method: 'POST', url, payload, headers: mutating })

const acquire = (body: object) => post('/api/cache/lock/acquire', body)
const release = (body: object) => post('/api/cache/lock/release', body)

interface Acquired {
  readonly key: string
  readonly token: string
  readonly fencingToken: number
}

describe('locks for HTTP callers', () => {
  it('are given to one, and given back by key and token, once', async () => {
    const first = await acquire({ resource: 'order:9', ttl: 10 })
    expect(first.statusCode).toBe(200)
    expect(first.json()).toEqual({
      acquired: true,
      key: 'order:9',
      token: expect.any(String),
      fencingToken: expect.any(Number),
      ttl: 10,
      expiresAt: expect.any(Number),
    })
    const second = await acquire({ resource: 'order:9' })
    expect(second.statusCode).toBe(409)
    expect(second.headers['content-type']).toContain('application/problem+json')
    expect(second.json()).toMatchObject({ status: 409, acquired: false, resource: 'order:9' })
    // What is refused hands out no secret.
    expect(second.body).not.toContain(first.json<Acquired>().token)

    const { key, token, fencingToken } = first.json<Acquired>()
    expect((await release({ key, token: 'guessed' })).json()).toEqual({ key, released: false })
    expect((await acquire({ resource: 'order:9' })).statusCode).toBe(409)
    expect((await release({ key, token })).json()).toEqual({ key, released: true })
    expect((await release({ key, token })).json()).toEqual({ key, released: false })
    const third = await acquire({ resource: 'order:9' })
    expect(third.statusCode).toBe(200)
    expect(third.json<Acquired>().fencingToken).toBeGreaterThan(fencingToken)
  })

  it('are given to one of many who ask together', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => acquire({ resource: 'order:10' })),
    )
    const given = answers.filter((one) => one.statusCode === 200)
    const refused = answers.filter((one) => one.statusCode === 409)
    expect([given.length, refused.length]).toEqual([1, 19])
  })

  it('run out by themselves', async () => {
    const { key, token } = (await acquire({ resource: 'order:11', ttl: 1 })).json<Acquired>()
    expect((await acquire({ resource: 'order:11' })).statusCode).toBe(409)
    await vi.waitFor(
      async () => expect((await acquire({ resource: 'order:11' })).statusCode).toBe(200),
      { timeout: 5000 },
    )
    expect((await release({ key, token })).json()).toEqual({ key, released: false })
    expect((await acquire({ resource: 'order:11' })).statusCode).toBe(409)
  })

  it.each([
    [{}],
    [{ resource: '' }],
    [{ resource: 'a b' }],
    [{ resource: 'a', ttl: 0 }],
    [{ resource: 'a', ttl: 3601 }],
    [{ resource: 'a', ttl: '30' }],
    [{ resource: 'a', other: 1 }],
  ])('are not acquired by %o', async (body) => {
    expect((await acquire(body)).statusCode).toBe(400)
  })

  it.each([[{}], [{ key: 'a' }], [{ token: 'a' }], [{ key: 'a', token: '' }]])(
    'are not released by %o',
    async (body) => {
      expect((await release(body)).statusCode).toBe(400)
    },
  )
})

async function creditsOf(id: number): Promise<number> {
  return (await get(`/api/users/${id}`)).json<{ credits: number }>().credits
}

async function allDone(count: number): Promise<void> {
  await vi.waitFor(
    async () => expect((await get('/api/jobs')).json()).toMatchObject({ completed: count }),
    { timeout: 30_000 },
  )
}

describe('jobs that give credits', () => {
  it('read, decide and write one after the other, each once', async () => {
    const before = await creditsOf(1)
    const amounts = Array.from({ length: 25 }, (_, index) => index + 1)
    await Promise.all(
      amounts.map(async (amount) => {
        const body = { amount, id: `grant-${amount}` }
        expect((await post('/api/users/1/credits', body)).statusCode).toBe(202)
        // Asked for twice, made once.
        expect((await post('/api/users/1/credits', body)).statusCode).toBe(202)
      }),
    )
    await allDone(25)
    expect(await creditsOf(1)).toBe(before + (25 * 26) / 2)
  })

  it('wait for a lock that somebody outside holds', async () => {
    const before = await creditsOf(2)
    const { key, token } = (await acquire({ resource: 'user:2', ttl: 60 })).json<Acquired>()
    const { id } = (await post('/api/users/2/credits', { amount: 5 })).json<{ id: string }>()
    await vi.waitFor(async () =>
      expect((await get(`/api/jobs/${id}`)).json()).toMatchObject({ state: 'active' }),
    )
    expect(await creditsOf(2)).toBe(before)
    expect((await release({ key, token })).json()).toEqual({ key, released: true })
    await vi.waitFor(
      async () =>
        expect((await get(`/api/jobs/${id}`)).json()).toMatchObject({
          kind: 'grant',
          state: 'completed',
          result: { credits: before + 5 },
        }),
      { timeout: 10_000 },
    )
    expect(await creditsOf(2)).toBe(before + 5)
  })

  it('are refused for nobody and nothing', async () => {
    expect((await post('/api/users/201/credits', { amount: 1 })).statusCode).toBe(404)
    expect((await post('/api/users/1/credits', { amount: 0 })).statusCode).toBe(400)
    expect((await post('/api/users/1/credits', { amount: 1.5 })).statusCode).toBe(400)
  })
})

describe('the fence of the table', () => {
  let database: Database
  let cache: Cache
  let locks: Locks

  beforeAll(async () => {
    const connection = shareConnection(fixture.service.redis)
    database = await openDatabase({ users: 10, latencyMs: 0, pool: 20 })
    cache = createCache({ connection, namespace: 'fence:v1' })
    locks = createLocks({ connection, namespace: 'fence:v1' })
  })
  afterAll(async () => {
    await locks.close()
    await cache.close()
    await database.close()
  })

  /** A database in which something happens between the read and the write of the first who reads. */
  function meanwhile(happens: () => Promise<unknown>): Database {
    let once: (() => Promise<unknown>) | undefined = happens
    return {
      ...database,
      async user(id) {
        const user = await database.user(id)
        const now = once
        once = undefined
        await now?.()
        return user
      },
    }
  }

  const granting = (on: Database, id: string, userId: number, amount: number) =>
    grantCredits({ cache, database: on, locks }, { id, userId, amount })

  it('refuses a holder whose lock went to another one', async () => {
    const before = (await database.user(3))?.credits ?? 0
    const late = meanwhile(async () => {
      // As if it had been stopped until its lock ran out.
      await locks.forceRelease('user:3')
      expect(await granting(database, 'second', 3, 20)).toEqual({ credits: before + 20 })
    })
    await expect(granting(late, 'first', 3, 1)).rejects.toMatchObject({ code: 'FENCE_REFUSED' })
    expect((await database.user(3))?.credits).toBe(before + 20)
    // As the queue would: the grant that was refused left nothing behind.
    expect(await granting(database, 'first', 3, 1)).toEqual({ credits: before + 21 })
  })

  it('refuses a holder whose row was changed without the lock', async () => {
    const late = meanwhile(() => database.updateUser(4, { credits: 5000 }))
    await expect(granting(late, 'third', 4, 1)).rejects.toMatchObject({ code: 'FENCE_REFUSED' })
    expect(await granting(database, 'third', 4, 1)).toEqual({ credits: 5001 })
  })

  it('makes a grant once, however often it is asked for', async () => {
    const before = (await database.user(5))?.credits ?? 0
    expect(await granting(database, 'fourth', 5, 7)).toEqual({ credits: before + 7 })
    expect(await granting(database, 'fourth', 5, 7)).toEqual({})
    expect(await database.user(5)).toMatchObject({ credits: before + 7, version: 2 })
  })
})
