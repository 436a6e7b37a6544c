import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../src/config.ts'
import { buildService, type Service } from '../src/service.ts'
import { environment, mutating, startFixture, type Fixture } from './service-fixture.ts'

let fixture: Fixture
let other: Service

beforeAll(async () => {
  fixture = await startFixture()
  other = await buildService(readConfig(environment(fixture.redis.url)))
})
afterAll(async () => {
  await other.close()
  await fixture[Symbol.asyncDispose]()
})

const get = (url: string, { app }: Service = fixture.service) => app.inject(url)
const put = (name: string, payload: object) =>
  fixture.service.app.inject({
    method: 'PUT',
    url: `/api/flags/${name}`,
    payload,
    headers: mutating,
  })

describe('feature flags', () => {
  it('reach every process, and go again', async () => {
    expect((await get('/api/flags/new-ui', other)).statusCode).toBe(404)
    expect((await put('new-ui', { value: true })).statusCode).toBe(200)
    await vi.waitFor(async () =>
      expect((await get('/api/flags/new-ui', other)).json()).toMatchObject({
        name: 'new-ui',
        value: true,
      }),
    )
    expect((await get('/api/flags')).json()).toMatchObject({ flags: ['new-ui'] })
    const gone = await fixture.service.app.inject({
      method: 'DELETE',
      url: '/api/flags/new-ui',
      headers: mutating,
    })
    expect(gone.statusCode).toBe(204)
    await vi.waitFor(async () =>
      expect((await get('/api/flags/new-ui', other)).statusCode).toBe(404),
    )
  })

  it('are on for a share of the users, for each always the same', async () => {
    await put('share', { percentage: 40 })
    await vi.waitFor(async () => expect((await get('/api/flags/share')).statusCode).toBe(200))
    const decide = async (service: Service): Promise<unknown[]> =>
      Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const url = `/api/flags/share?user=${index + 1}`
          return (await get(url, service)).json<{ value: unknown }>().value
        }),
      )
    const here = await decide(fixture.service)
    await vi.waitFor(async () => expect(await decide(other)).toEqual(here))
    const on = here.filter((value) => value === true).length
    expect(on).toBeGreaterThan(50)
    expect(on).toBeLessThan(110)
  })

  it('go by what is known of a user', async () => {
    await put('for-business', {
      percentage: 0,
      rules: [{ if: { attribute: 'plan', value: 'business' }, variant: 'on' }],
    })
    await vi.waitFor(async () =>
      expect((await get('/api/flags/for-business')).statusCode).toBe(200),
    )
    for (const id of [1, 2, 3, 4, 5]) {
      const { plan } = (await get(`/api/users/${id}`)).json<{ plan: string }>()
      const flag = (await get(`/api/flags/for-business?user=${id}`)).json<{ value: boolean }>()
      expect(flag.value).toBe(plan === 'business')
    }
    expect((await get('/api/flags/for-business?user=201')).statusCode).toBe(404)
  })

  it('that make no sense are refused', async () => {
    expect((await put('bad', { percentage: 140 })).statusCode).toBe(400)
    expect((await put('bad', {})).statusCode).toBe(400)
    expect((await put('1bad', { value: true })).statusCode).toBe(400)
    expect((await get('/api/flags/bad')).statusCode).toBe(404)
    const anonymous = await fixture.service.app.inject({
      method: 'PUT',
      url: '/api/flags/bad',
      payload: { value: true },
    })
    expect(anonymous.statusCode).toBe(401)
  })
})

describe('GET /metrics', () => {
  /** The value of a line. */
  async function figure(name: string, ...labels: string[]): Promise<number> {
    const response = await get('/metrics')
    expect(response.headers['content-type']).toContain('text/plain')
    const line = response.body
      .split('\n')
      .find((one) => one.startsWith(name) && labels.every((label) => one.includes(label)))
    return Number(line?.split(' ').at(-1))
  }

  it('tells what was read, what reached the source, and which locks are held', async () => {
    // Before the first look, as locks are counted every 15 s only.
    await fixture.service.app.inject({
      method: 'POST',
      url: '/api/cache/lock/acquire',
      payload: { resource: 'seen-in-metrics' },
      headers: mutating,
    })
    const before = await figure('service_source_queries_total')
    for (let time = 0; time < 5; time++) await get('/api/cache/report:metrics')
    expect((await figure('service_source_queries_total')) - before).toBe(1)
    expect(await figure('cache_hit_rate{', 'window="5m"')).toBeGreaterThan(0)
    expect(await figure('cache_circuit_breaker_state{', 'side="read"')).toBe(0)
    await vi.waitFor(async () => expect(await figure('cache_active_locks{')).toBe(1), {
      timeout: 30_000,
      interval: 500,
    })
    expect((await get('/metrics')).body).not.toContain('report:metrics')
  })
})
