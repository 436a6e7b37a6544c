import { readFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { freePort } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../src/config.ts'
import { buildService } from '../src/service.ts'
import { environment, mutating, startFixture, type Fixture } from './service-fixture.ts'

let fixture: Fixture

beforeAll(async () => {
  fixture = await startFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())

const get = (url: string, headers: Record<string, string> = {}) =>
  fixture.service.app.inject({ url, headers })
const send = (method: 'POST' | 'PUT', url: string, payload: object) =>
  fixture.service.app.inject({ method, url, payload, headers: mutating })

describe.each([
  ['frozen', freeze, () => fixture.redis.resume()],
  ['killed', () => fixture.redis.kill(), () => fixture.redis.restart()],
])('while Redis is %s', (_, away, back) => {
  beforeAll(async () => {
    for (const id of [1, 7, 9]) {
      await vi.waitFor(async () =>
        expect((await get(`/api/users/${id}`)).headers['x-cache']).toMatch(/^(near|cache)$/),
      )
    }
    await send('POST', '/api/jobs', { userId: 1 })
    await away()
  })
  afterAll(back)

  it('cached routes answer from the source, and soon', async () => {
    const took: number[] = []
    const stalls = monitorEventLoopDelay({ resolution: 5 })
    stalls.enable()
    for (let round = 0; round < 15; round++) {
      const responses = await Promise.all(
        [1, 2, 3, 4, 5, 6].map(async (id) => {
          const start = performance.now()
          const response = await get(`/api/users/${id}`)
          took.push(performance.now() - start)
          return response
        }),
      )
      expect(responses.map((response) => response.statusCode)).toEqual(Array(6).fill(200))
      expect(responses.map((response) => response.headers['x-cache'])).not.toContain('cache')
    }
    // Within a second it is known that changes cannot be heard; no copy is trusted from then on.
    await vi.waitFor(
      async () => {
        const { headers } = await get('/api/users/1')
        expect(headers['x-cache']).toMatch(/^(source|shared|buffer)$/)
      },
      { timeout: 3000 },
    )
    // The first ones wait for their deadline of 200 ms, all others not even that long.
    stalls.disable()
    expect(Math.max(...took)).toBeLessThan(200 + 10 + 250 + 2 * (stalls.max / 1e6))
    expect(took.filter((one) => one > 200).length).toBeLessThan(took.length / 2)
  })

  it('says that it is degraded, with status 200', async () => {
    const response = await get('/health')
    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({
      status: 'degraded',
      queue: { status: 'waiting for Redis' },
      source: { status: 'ok' },
    })
    expect((await get('/api/cache/stats')).statusCode).toBe(200)
  })

  it('writes go to the source; that the cache was not told is said', async () => {
    const response = await send('PUT', '/api/users/7', { credits: 77 })
    expect(response.statusCode).toBe(200)
    expect(response.headers['x-cache-invalidation']).toBe('pending')
    expect((await get('/api/users/7')).json()).toEqual(response.json())
    for (const body of [{ key: 'user:8' }, { tags: ['user:8'] }, { pattern: 'report:*' }]) {
      const drop = await send('POST', '/api/cache/invalidate', body)
      expect(drop.statusCode).toBe(202)
      expect(drop.json()).toMatchObject({ ...body, acknowledged: false })
    }
  })

  it.each([
    ['/api/jobs', { userId: 1 }],
    ['/api/cache/warm', { keys: ['user:1'] }],
    ['/api/users/1/credits', { amount: 1 }],
    ['/api/cache/lock/acquire', { resource: 'a' }],
    ['/api/cache/lock/release', { key: 'a', token: 'b' }],
  ])('POST %s asks to come again instead of hanging', async (url, payload) => {
    const start = performance.now()
    const response = await send('POST', url, payload)
    expect(response.statusCode).toBe(503)
    expect(response.headers['retry-after']).toBe('1')
    expect(response.headers['content-type']).toContain('application/problem+json')
    expect(performance.now() - start).toBeLessThan(2500)
  })

  it('comes back by itself, with every job', async () => {
    const changed = (await get('/api/users/7', { 'cache-control': 'no-store' })).json<object>()
    await back()
    // What was written meanwhile is never read as it was, though Redis still had it so.
    const seen: unknown[] = []
    await vi.waitFor(
      async () => {
        const user = await get('/api/users/7')
        seen.push(user.json())
        expect(user.headers['x-cache']).toBe('near')
      },
      { timeout: 10_000, interval: 5 },
    )
    for (const one of seen) expect(one).toEqual(changed)
    await vi.waitFor(
      async () => {
        expect((await get('/api/users/1')).headers['x-cache']).toMatch(/^(near|cache)$/)
        expect((await get('/health')).json()).toMatchObject({ status: 'ok' })
      },
      { timeout: 10_000 },
    )
    const added = await send('POST', '/api/jobs', { userId: 2 })
    expect(added.statusCode).toBe(202)
    await vi.waitFor(
      async () => {
        const counts = (await get('/api/jobs')).json<Record<string, number>>()
        expect(counts).toMatchObject({ waiting: 0, active: 0, delayed: 0, failed: 0 })
        expect(counts['completed']).toBeGreaterThan(0)
      },
      { timeout: 10_000 },
    )
  })
})

/** A signal takes a moment to arrive; a command that comes before it is still answered. */
async function freeze(): Promise<void> {
  await fixture.redis.pause()
  const pid = fixture.redis.nodes[0]?.pid
  await vi.waitFor(async () => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    expect(status).toMatch(/^State:\s+T/m)
  })
}

it('starts and answers without any Redis', async () => {
  const service = await buildService(
    readConfig(environment(`redis://127.0.0.1:${await freePort()}`)),
  )
  try {
    const response = await service.app.inject('/api/users/1')
    expect(response.statusCode).toBe(200)
    expect(response.headers['x-cache']).toBe('source')
    expect((await service.app.inject('/health')).json()).toMatchObject({ status: 'degraded' })
  } finally {
    await service.close()
  }
})
