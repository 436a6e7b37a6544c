import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { API_KEY, mutating, startFixture, type Fixture } from './service-fixture.ts'

let fixture: Fixture

beforeAll(async () => {
  fixture = await startFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())
beforeEach(async () => {
  await fixture.redis.command('FLUSHALL')
})

function get(url: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return fixture.service.app.inject({ url, headers })
}

function send(method: 'POST' | 'PUT', url: string, payload: object, headers = mutating) {
  const options: InjectOptions = { method, url, payload, headers }
  return fixture.service.app.inject(options)
}

async function queries(): Promise<number> {
  return (await get('/api/cache/stats')).json<{ source: { queries: number } }>().source.queries
}

describe('GET /api/users/:id', () => {
  it('asks the source once and the cache from then on', async () => {
    const before = await queries()
    const first = await get('/api/users/42')
    expect(first.statusCode).toBe(200)
    expect(first.json()).toMatchObject({ id: 42, name: 'User 42', version: 1 })
    expect(first.headers['x-cache']).toBe('source')
    const second = await get('/api/users/42')
    expect(second.headers['x-cache']).toBe('cache')
    expect(second.json()).toEqual(first.json())
    expect((await queries()) - before).toBe(1)
  })

  it('asks the source once for callers that come together', async () => {
    const before = await queries()
    const responses = await Promise.all(Array.from({ length: 20 }, () => get('/api/users/43')))
    const origins = responses.map((response) => response.headers['x-cache'])
    expect(origins.filter((origin) => origin === 'source')).toHaveLength(1)
    expect(origins.filter((origin) => origin === 'shared')).toHaveLength(19)
    expect((await queries()) - before).toBe(1)
  })

  it('remembers for a short time that there is no such user', async () => {
    const before = await queries()
    for (const origin of ['source', 'cache']) {
      const response = await get('/api/users/201')
      expect(response.statusCode).toBe(404)
      expect(response.headers['x-cache']).toBe(origin)
      expect(response.json()).toMatchObject({ status: 404, detail: 'There is no user 201.' })
    }
    expect((await queries()) - before).toBe(1)
    const ttl = Number(await fixture.redis.command('PTTL', 'service:v1::user:201'))
    expect(ttl).toBeGreaterThan(5000)
    expect(ttl).toBeLessThanOrEqual(10_000)
  })

  it('goes past the cache when asked to', async () => {
    await get('/api/users/44')
    const response = await get('/api/users/44', { 'cache-control': 'no-store' })
    expect(response.headers['x-cache']).toBe('source')
  })

  it.each(['0', '-1', '1.5', 'abc', '01', '9999999999', '1%20'])(
    'refuses the id %s',
    async (id) => {
      const response = await get(`/api/users/${id}`)
      expect(response.statusCode).toBe(400)
      expect(response.json()).toMatchObject({ errors: [{ in: 'params', pointer: '/id' }] })
    },
  )
})

describe('PUT /api/users/:id', () => {
  it('writes to the source and drops the cached copy', async () => {
    const old = (await get('/api/users/50')).json<{ version: number }>()
    const put = await send('PUT', '/api/users/50', { credits: 123 })
    expect(put.statusCode).toBe(200)
    expect(put.headers['x-cache-invalidation']).toBe('done')
    expect(put.json()).toMatchObject({ id: 50, credits: 123, version: old.version + 1 })
    const after = await get('/api/users/50')
    expect(after.headers['x-cache']).toBe('source')
    expect(after.json()).toEqual(put.json())
  })

  it('is 404 for a user that is not there', async () => {
    expect((await send('PUT', '/api/users/201', { credits: 1 })).statusCode).toBe(404)
  })

  it.each([
    [{}],
    [{ credits: -1 }],
    [{ credits: '5' }],
    [{ plan: 'gold' }],
    [{ email: 'nobody' }],
    [{ id: 7 }],
    [{ name: '' }],
  ])('refuses %o and changes nothing', async (payload) => {
    const before = (await get('/api/users/51')).json<object>()
    const response = await send('PUT', '/api/users/51', payload)
    expect(response.statusCode).toBe(400)
    expect(response.headers['content-type']).toContain('application/problem+json')
    const past = await get('/api/users/51', { 'cache-control': 'no-store' })
    expect(past.json()).toEqual(before)
  })
})

describe('GET /api/cache/:key', () => {
  it('computes a made-up key once and says where the value came from', async () => {
    const first = await get('/api/cache/report:daily')
    expect(first.json()).toMatchObject({
      key: 'report:daily',
      cached: false,
      from: 'source',
      value: { key: 'report:daily', users: expect.any(Number) },
    })
    expect((await get('/api/cache/report:daily')).json()).toEqual({
      ...first.json<object>(),
      cached: true,
      from: 'cache',
    })
  })

  it('shares its keys with the users', async () => {
    await get('/api/users/60')
    expect((await get('/api/cache/user:60')).json()).toMatchObject({
      cached: true,
      value: { id: 60 },
    })
    expect((await get('/api/cache/user:999')).statusCode).toBe(404)
  })

  it.each(['a*b', 'a%0Ab', '%7Bx%7D', 'x'.repeat(201), '%00', '-x', 'a%20b', 'é'])(
    'refuses the key %s',
    async (key) => {
      expect((await get(`/api/cache/${key}`)).statusCode).toBe(400)
      expect(await fixture.redis.command('DBSIZE')).toBe(await ownKeys())
    },
  )
})

/** Keys that BullMQ may have written since the flush. */
async function ownKeys(): Promise<number> {
  return ((await fixture.redis.command('KEYS', 'bull:*')) as unknown[]).length
}

describe('POST /api/cache/warm', () => {
  it('loads what is missing, each key once', async () => {
    await get('/api/users/70')
    const keys = ['user:70', 'user:71', 'user:72', 'user:72', 'user:999', 'report:weekly']
    const response = await send('POST', '/api/cache/warm', { keys, ttl: 100 })
    expect(response.json()).toEqual({ loaded: 3, present: 1, absent: ['user:999'], failed: [] })
    expect((await get('/api/users/72')).headers['x-cache']).toBe('cache')
    const ttl = Number(await fixture.redis.command('TTL', 'service:v1::user:72'))
    expect(ttl).toBeGreaterThan(90)
    expect(ttl).toBeLessThanOrEqual(100)
  })

  it.each([[{}], [{ keys: [] }], [{ keys: ['*'] }], [{ keys: ['a'], ttl: 0 }], [{ keys: 'a' }]])(
    'refuses %o',
    async (payload) => {
      expect((await send('POST', '/api/cache/warm', payload)).statusCode).toBe(400)
    },
  )
})

describe('POST /api/cache/invalidate', () => {
  it('drops a key', async () => {
    await get('/api/users/80')
    const response = await send('POST', '/api/cache/invalidate', { key: 'user:80' })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ key: 'user:80', acknowledged: true })
    expect((await get('/api/users/80')).headers['x-cache']).toBe('source')
  })

  it('drops what a pattern matches, and nothing else', async () => {
    const keys = ['user:8', 'user:81', 'user:82', 'report:8', 'report:8:a', 'report:81']
    await send('POST', '/api/cache/warm', { keys })
    await fixture.redis.command('SET', 'service:v2::user:81', 'not ours')
    const drop = async (pattern: string): Promise<unknown> =>
      (await send('POST', '/api/cache/invalidate', { pattern })).json()
    expect(await drop('user:8?')).toEqual({ pattern: 'user:8?', deleted: 2 })
    expect((await get('/api/users/8')).headers['x-cache']).toBe('cache')
    // Without a wildcard: the key and what is below it.
    expect(await drop('report:8')).toEqual({ pattern: 'report:8', deleted: 2 })
    expect((await get('/api/cache/report:81')).headers['x-cache']).toBe('cache')
    expect(await drop('*')).toEqual({ pattern: '*', deleted: 2 })
    expect(await fixture.redis.command('GET', 'service:v2::user:81')).toBe('not ours')
  })

  it('knows no tags yet', async () => {
    const response = await send('POST', '/api/cache/invalidate', { tags: ['a'] })
    expect(response.statusCode).toBe(501)
    expect(response.json()).toMatchObject({ title: 'Not Implemented' })
  })

  it.each([
    [{}],
    [{ key: 'a', pattern: 'b' }],
    [{ key: 'a*' }],
    [{ pattern: '[a]' }],
    [{ tags: [] }],
    [{ other: 'a' }],
  ])('refuses %o', async (payload) => {
    expect((await send('POST', '/api/cache/invalidate', payload)).statusCode).toBe(400)
  })
})

describe('GET /api/cache/stats', () => {
  it('counts hits and misses', async () => {
    type Stats = { hits: number; misses: number }
    const before = (await get('/api/cache/stats')).json<Stats>()
    await get('/api/users/90')
    await get('/api/users/90')
    await get('/api/users/90')
    const after = (await get('/api/cache/stats')).json<Stats>()
    expect(after.hits - before.hits).toBe(2)
    expect(after.misses - before.misses).toBe(1)
  })
})

describe('jobs', () => {
  it('are done beside the cache and leave the user fresh in it', async () => {
    const added = await send('POST', '/api/jobs', { userId: 100, id: 'refresh-100' })
    expect(added.statusCode).toBe(202)
    expect(added.headers['location']).toBe('/api/jobs/refresh-100')
    await vi.waitFor(async () => {
      expect((await get('/api/jobs/refresh-100')).json()).toEqual({
        id: 'refresh-100',
        state: 'completed',
        attempts: 1,
      })
    })
    expect((await get('/api/users/100')).headers['x-cache']).toBe('cache')
    expect((await get('/api/jobs')).json()).toMatchObject({ completed: 1, failed: 0 })
  })

  it('of one id are one job', async () => {
    const before = await queries()
    await Promise.all(
      Array.from({ length: 5 }, () => send('POST', '/api/jobs', { userId: 101, id: 'only-one' })),
    )
    await vi.waitFor(async () => {
      expect((await get('/api/jobs')).json()).toMatchObject({ completed: 1, waiting: 0, active: 0 })
    })
    expect((await queries()) - before).toBe(1)
  })

  it('that are not known are not found', async () => {
    expect((await get('/api/jobs/nothing')).statusCode).toBe(404)
  })

  it.each([[{}], [{ userId: '1' }], [{ userId: 1, id: 'a:b' }], [{ userId: 1, id: '17' }]])(
    'are not made from %o',
    async (payload) => {
      expect((await send('POST', '/api/jobs', payload)).statusCode).toBe(400)
    },
  )
})

describe('every mutating route', () => {
  it.each([
    ['PUT', '/api/users/110', { credits: 1 }],
    ['POST', '/api/cache/warm', { keys: ['user:110'] }],
    ['POST', '/api/cache/invalidate', { key: 'user:110' }],
    ['POST', '/api/jobs', { userId: 110 }],
  ] as const)('wants the API key: %s %s', async (method, url, payload) => {
    await get('/api/users/110')
    const keys = await fixture.redis.command('DBSIZE')
    expect((await send(method, url, payload, { 'x-api-key': '' })).statusCode).toBe(401)
    expect((await send(method, url, payload, { 'x-api-key': `${API_KEY}.` })).statusCode).toBe(403)
    expect(await fixture.redis.command('DBSIZE')).toBe(keys)
    const user = await get('/api/users/110')
    expect(user.headers['x-cache']).toBe('cache')
    expect(user.json()).toMatchObject({ version: 1 })
  })
})

describe('GET /health', () => {
  it('is ok when Redis and the worker are there', async () => {
    const response = await get('/health')
    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({
      status: 'ok',
      cache: { status: 'ok' },
      queue: { status: 'ok' },
      source: { status: 'ok' },
    })
  })
})

describe('what is not there', () => {
  it('is a problem document', async () => {
    expect((await get('/api/nothing')).json()).toMatchObject({ status: 404 })
    const wrong = await send('POST', '/api/cache/stats', {})
    expect(wrong.statusCode).toBe(405)
    expect(wrong.headers['allow']).toBe('GET, HEAD')
  })
})
