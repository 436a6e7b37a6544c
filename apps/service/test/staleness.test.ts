import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../src/config.ts'
import { buildService, type Service } from '../src/service.ts'
import { environment, mutating, startFixture, type Fixture } from './service-fixture.ts'

/*
 * Two instances of the service on one Redis. Each has a database of its own, so that a change in one
 * shows whose source a value came from.
 */

let fixture: Fixture
let other: Service

const SETTINGS = { CACHE_TTL: '300ms', CACHE_STALE_WHILE_REVALIDATE: '30s' }

beforeAll(async () => {
  fixture = await startFixture(SETTINGS)
  const settings = { ...environment(fixture.redis.url), ...SETTINGS, DATABASE_LATENCY: '400ms' }
  other = await buildService(readConfig(settings))
})
afterAll(async () => {
  await other.close()
  await fixture[Symbol.asyncDispose]()
})

async function queriesOf({ app }: Service): Promise<number> {
  const stats = await app.inject('/api/cache/stats')
  return stats.json<{ source: { queries: number } }>().source.queries
}

describe('a value past its time', () => {
  it('is served at once while one of the processes loads it anew', async () => {
    const { service } = fixture
    await service.app.inject('/api/users/10')
    const before = (await queriesOf(service)) + (await queriesOf(other))
    await vi.waitFor(
      async () =>
        expect((await other.app.inject('/api/users/10')).headers['x-cache']).toBe('stale'),
      { timeout: 5000, interval: 20 },
    )
    // Its source takes 400 ms; until then everybody is answered, and nobody else asks for it.
    const start = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? service : other).app.inject('/api/users/10'),
      ),
    )
    expect(performance.now() - start).toBeLessThan(350)
    expect(new Set(answers.map((one) => one.headers['x-cache']))).toEqual(new Set(['stale']))
    await vi.waitFor(async () =>
      expect((await other.app.inject('/api/users/10')).headers['x-cache']).toMatch(/near|cache/),
    )
    expect((await queriesOf(service)) + (await queriesOf(other)) - before).toBe(1)
  })

  it('is not served after its user was changed', async () => {
    const { service } = fixture
    await vi.waitFor(
      async () =>
        expect((await other.app.inject('/api/users/11')).headers['x-cache']).toBe('stale'),
      { timeout: 5000, interval: 20 },
    )
    const put = await service.app.inject({
      method: 'PUT',
      url: '/api/users/11',
      payload: { credits: 11 },
      headers: mutating,
    })
    expect(put.headers['x-cache-invalidation']).toBe('done')
    // The other one still loads it from its own source, which knows nothing of the change. What it
    // brings is too old by now, for everybody.
    const before = await queriesOf(other)
    for (let round = 0; round < 30; round++) {
      const user = await service.app.inject('/api/users/11')
      expect(user.json()).toMatchObject({ credits: 11 })
      if (user.headers['x-cache'] === 'stale') break
    }
    expect(await queriesOf(other)).toBe(before)
  })
})

describe('a copy in another process', () => {
  it('follows a change within moments', async () => {
    const { service } = fixture
    const read = async ({ app }: Service) => (await app.inject('/api/cache/user:12')).json()
    const write = (name: string, ttl: number) =>
      fixture.redis.command(
        'SET',
        'service:v1::user:12',
        JSON.stringify({ value: { name }, expires: Date.now() + ttl }),
        'PX',
        ttl,
      )
    const took: number[] = []
    for (let round = 0; round < 10; round++) {
      await write(`before ${round}`, 60_000)
      for (const one of [service, other]) {
        await vi.waitFor(async () =>
          expect(await read(one)).toMatchObject({
            value: { name: `before ${round}` },
            from: 'near',
          }),
        )
      }
      await write(`after ${round}`, 60_000)
      const start = performance.now()
      await vi.waitFor(
        async () => expect(await read(other)).toMatchObject({ value: { name: `after ${round}` } }),
        { interval: 1 },
      )
      took.push(performance.now() - start)
    }
    // Loose, as the machine may be busy; the engine's own tests are strict.
    expect(took.toSorted((a, b) => a - b)[5]).toBeLessThan(100)
  })
})
