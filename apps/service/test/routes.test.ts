import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { tagsOf, tagsOfUser } from '../src/source.ts'
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

/** The job that a response announces, when it is done. */
async function jobOf(response: LightMyRequestResponse): Promise<Record<string, unknown>> {
  expect(response.statusCode).toBe(202)
  const { id } = response.json<{ id: string }>()
  expect(response.headers['location']).toBe(`/api/jobs/${id}`)
  return vi.waitFor(
    async () => {
      const job = (await get(`/api/jobs/${id}`)).json<Record<string, unknown>>()
      expect(job['state']).toMatch(/^(completed|failed)$/)
      return job
    },
    { timeout: 10_000 },
  )
}

/** The state in Redis or in this process, of what was asked for before. */
const CACHED = /^(near|cache)$/

/** A figure of INFO COMMANDSTATS. */
async function stat(pattern: RegExp): Promise<string | undefined> {
  return pattern.exec(String(await fixture.redis.command('INFO', 'commandstats')))?.[1]
}

describe('GET /api/users/:id', () => {
  it('asks the source once and the cache from then on', async () => {
    const before = await queries()
    const first = await get('/api/users/42')
    expect(first.statusCode).toBe(200)
    expect(first.json()).toMatchObject({ id: 42, name: 'User 42', version: 1 })
    expect(first.headers['x-cache']).toBe('source')
    const second = await get('/api/users/42')
    expect(second.headers['x-cache']).toMatch(CACHED)
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
    for (const origin of [/^source$/, CACHED]) {
      const response = await get('/api/users/201')
      expect(response.statusCode).toBe(404)
      expect(response.headers['x-cache']).toMatch(origin)
      expect(response.json()).toMatchObject({ status: 404, detail: 'There is no user 201.' })
    }
    expect((await queries()) - before).toBe(1)
    const ttl = Number(await fixture.redis.command('PTTL', 'service:v1::user:201'))
    // 10 s, and 30 s in which it may be told while it is asked for anew.
    expect(ttl).toBeGreaterThan(35_000)
    expect(ttl).toBeLessThanOrEqual(40_000)
  })

  it('is answered by this process alone once it has a copy, until anybody changes the key', async () => {
    const key = 'service:v1::user:45'
    await get('/api/users/45')
    await vi.waitFor(async () =>
      expect((await get('/api/users/45')).headers['x-cache']).toBe('near'),
    )
    const reads = async () => Number((await stat(/cmdstat_mget:calls=(\d+)/)) ?? 0)
    const before = await reads()
    for (let time = 0; time < 20; time++) {
      expect((await get('/api/users/45')).headers['x-cache']).toBe('near')
    }
    expect((await reads()) - before).toBe(0)

    const user = (await get('/api/users/45')).json<object>()
    const foreign = JSON.stringify({
      value: { ...user, name: 'By hand' },
      expires: Date.now() + 60_000,
    })
    await fixture.redis.command('SET', key, foreign, 'PX', 60_000)
    await vi.waitFor(async () =>
      expect((await get('/api/users/45')).json()).toMatchObject({ name: 'By hand' }),
    )
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
    [{ name: 'a\u0000b' }],
    [{ email: 'a\u0000@example.org' }],
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
      from: expect.stringMatching(CACHED),
    })
  })

  it('computes it anew when a user that it is made of changes', async () => {
    const [, share] = tagsOfUser(1)
    const numbers = Array.from({ length: 2000 }, (_, number) => number)
    const key = `report:${numbers.find((number) => tagsOf(`report:${number}`)[0] === share)}`
    const before = (await get(`/api/cache/${key}`)).json<{ value: object }>()
    expect(before.value).toMatchObject({ credits: await sumOfCredits(1) })
    expect((await get(`/api/cache/${key}`)).json()).toMatchObject({ cached: true })
    await send('PUT', '/api/users/1', { credits: 999_999 })
    const after = (await get(`/api/cache/${key}`)).json<{ from: string; value: object }>()
    expect(after.from).toBe('source')
    expect(after.value).toMatchObject({ credits: await sumOfCredits(1) })
  })

  /** Credits of the users who are in a report with this one. */
  async function sumOfCredits(share: number): Promise<number> {
    let sum = 0
    for (let id = share; id <= 200; id += 97) {
      const user = await get(`/api/users/${id}`, { 'cache-control': 'no-store' })
      sum += user.json<{ credits: number }>().credits
    }
    return sum
  }

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
  it('loads what is missing, each key once, and tells how far it is', async () => {
    await get('/api/users/70')
    const before = await queries()
    const keys = ['user:70', 'user:71', 'user:72', 'user:72', 'user:999', 'report:weekly']
    const job = await jobOf(await send('POST', '/api/cache/warm', { keys, ttl: 100 }))
    expect(job).toMatchObject({
      kind: 'warm',
      state: 'completed',
      attempts: 1,
      result: { stored: 3, present: 1, absent: ['user:999'] },
      progress: { total: 5, done: expect.any(Number) },
    })
    expect((await queries()) - before).toBe(4)
    expect((await get('/api/users/72')).headers['x-cache']).toMatch(CACHED)
    const ttl = Number(await fixture.redis.command('TTL', 'service:v1::user:72'))
    // 100 s, and 30 s in which it may be stale.
    expect(ttl).toBeGreaterThan(120)
    expect(ttl).toBeLessThanOrEqual(130)
  })

  it('can be watched while it runs', async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `report:watched-${index}`)
    const payload = { keys, id: 'watched' }
    const response = await send('POST', '/api/cache/warm', payload)
    expect(response.json()).toEqual({ id: 'watched' })
    const steps = new Set<number>()
    await vi.waitFor(
      async () => {
        const job = (await get('/api/jobs/watched')).json<{
          state: string
          progress?: { done: number; total: number }
          result?: { stored: number; present: number; absent: string[] }
        }>()
        if (job.progress !== undefined) {
          expect(job.progress.total).toBe(1000)
          steps.add(job.progress.done)
        }
        expect(job.state).toBe('completed')
        // Where this machine is slow, a second attempt finds what the first one stored.
        const { stored = 0, present = 0, absent } = job.result ?? {}
        expect([stored + present, absent]).toEqual([1000, []])
      },
      { timeout: 20_000, interval: 10 },
    )
    expect([...steps].filter((done) => done > 0 && done < 1000).length).toBeGreaterThan(1)
    // Asked for again under the same id, it is not done again.
    expect((await send('POST', '/api/cache/warm', payload)).statusCode).toBe(202)
    expect((await get('/api/jobs')).json()).toMatchObject({ completed: 1, waiting: 0 })
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
    await jobOf(await send('POST', '/api/cache/warm', { keys }))
    await fixture.redis.command('SET', 'service:v2::user:81', 'not ours')
    const drop = async (pattern: string): Promise<unknown> =>
      (await send('POST', '/api/cache/invalidate', { pattern })).json()
    expect(await drop('user:8?')).toEqual({ pattern: 'user:8?', deleted: 2, acknowledged: true })
    expect((await get('/api/users/8')).headers['x-cache']).toMatch(CACHED)
    // Without a wildcard: the key and what is below it.
    expect(await drop('report:8')).toEqual({ pattern: 'report:8', deleted: 2, acknowledged: true })
    expect((await get('/api/cache/report:81')).headers['x-cache']).toMatch(CACHED)
    expect(await drop('*')).toEqual({ pattern: '*', deleted: 2, acknowledged: true })
    expect(await fixture.redis.command('GET', 'service:v2::user:81')).toBe('not ours')
  })

  it('drops what carries a tag, and nothing else', async () => {
    for (const id of [83, 84, 85]) await get(`/api/users/${id}`)
    const tags = ['user:83', 'user:84']
    const response = await send('POST', '/api/cache/invalidate', { tags })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ tags, acknowledged: true })
    expect((await get('/api/users/83')).headers['x-cache']).toBe('source')
    expect((await get('/api/users/84')).headers['x-cache']).toBe('source')
    expect((await get('/api/users/85')).headers['x-cache']).toMatch(CACHED)
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
        kind: 'refresh',
        state: 'completed',
        attempts: 1,
      })
    })
    expect((await get('/api/users/100')).headers['x-cache']).toMatch(CACHED)
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
  // A user each, as a copy of the last one may be forgotten while the next one is read.
  it.each([
    ['PUT', '/api/users/110', { credits: 1 }, 110],
    ['POST', '/api/cache/warm', { keys: ['user:111'] }, 111],
    ['POST', '/api/cache/invalidate', { key: 'user:112' }, 112],
    ['POST', '/api/cache/invalidate', { tags: ['user:113'] }, 113],
    ['POST', '/api/cache/lock/acquire', { resource: 'user:114' }, 114],
    ['POST', '/api/cache/lock/release', { key: 'user:115', token: 'x' }, 115],
    ['POST', '/api/users/116/credits', { amount: 1 }, 116],
    ['POST', '/api/jobs', { userId: 117 }, 117],
  ] as const)('wants the API key: %s %s', async (method, url, payload, id) => {
    await get(`/api/users/${id}`)
    const keys = await fixture.redis.command('DBSIZE')
    expect((await send(method, url, payload, { 'x-api-key': '' })).statusCode).toBe(401)
    expect((await send(method, url, payload, { 'x-api-key': `${API_KEY}.` })).statusCode).toBe(403)
    expect(await fixture.redis.command('DBSIZE')).toBe(keys)
    const user = await get(`/api/users/${id}`)
    expect(user.headers['x-cache']).toMatch(CACHED)
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
