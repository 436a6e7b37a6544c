import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { mutating, startFixture, type Fixture } from './service-fixture.ts'

let fixture: Fixture

beforeAll(async () => {
  fixture = await startFixture({ LOGIN_LIMIT: '3', SESSION_LIMIT: '60' })
})
afterAll(() => fixture[Symbol.asyncDispose]())

/** Asks as the browser that has this cookie. */
function ask(
  method: 'GET' | 'DELETE',
  url: string,
  cookie?: string,
): Promise<LightMyRequestResponse> {
  return fixture.service.app.inject({
    method,
    url,
    headers: cookie === undefined ? {} : { cookie },
  })
}

function login(userId: number, headers: Record<string, string> = {}) {
  return fixture.service.app.inject({
    method: 'POST',
    url: '/api/sessions',
    payload: { userId, label: 'Firefox on Linux' },
    headers: { ...mutating, ...headers },
  })
}

function cookieOf(response: LightMyRequestResponse): string {
  expect(response.statusCode).toBe(201)
  return String(response.headers['set-cookie']).split(';')[0] ?? ''
}

describe('a session', () => {
  it('begins with a login and ends with a logout', async () => {
    const response = await login(1)
    expect(response.json()).toEqual({ userId: 1, expiresAt: expect.any(Number) })
    expect(response.headers['set-cookie']).toMatch(
      /^sid=[\w.-]{40,}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict$/,
    )
    const cookie = cookieOf(response)
    const session = await ask('GET', '/api/session', `theme=dark; ${cookie}`)
    expect(session.json()).toMatchObject({ user: { id: 1, name: 'User 1' } })
    expect(session.headers['cache-control']).toBe('no-store')

    const out = await ask('DELETE', '/api/session', cookie)
    expect(out.statusCode).toBe(204)
    expect(out.headers['set-cookie']).toMatch(/^sid=; Path=\/; Max-Age=0;/)
    expect((await ask('GET', '/api/session', cookie)).statusCode).toBe(401)
  })

  it('has an id that is not in Redis', async () => {
    const id = cookieOf(await login(2)).slice('sid='.length)
    const everything: unknown[] = []
    for (const key of (await fixture.redis.command('KEYS', '*')) as string[]) {
      everything.push(key, await fixture.redis.command('DUMP', key))
    }
    expect(everything.length).toBeGreaterThan(0)
    expect(everything.map(String).join('\n')).not.toContain(id.split('.')[1])
  })

  it('ends with all others of its user, and with no one else’s', async () => {
    const here = cookieOf(await login(3))
    const there = cookieOf(await login(3))
    const other = cookieOf(await login(4))
    const list = await ask('GET', '/api/sessions', here)
    expect(list.json()).toMatchObject({
      sessions: [
        { current: true, label: 'Firefox on Linux', handle: expect.any(String) },
        { current: false },
      ],
    })
    expect(list.body).not.toContain(there.slice('sid='.length))
    expect((await ask('DELETE', '/api/sessions', here)).statusCode).toBe(204)
    expect((await ask('GET', '/api/session', here)).statusCode).toBe(401)
    expect((await ask('GET', '/api/session', there)).statusCode).toBe(401)
    expect((await ask('GET', '/api/session', other)).statusCode).toBe(200)
  })

  it('can be ended by its handle, by its own user', async () => {
    const here = cookieOf(await login(5))
    const there = cookieOf(await login(5))
    const other = cookieOf(await login(6))
    const { sessions } = (await ask('GET', '/api/sessions', here)).json<{
      sessions: { handle: string; current: boolean }[]
    }>()
    const handle = sessions.find(({ current }) => !current)?.handle ?? ''
    expect((await ask('DELETE', `/api/sessions/${handle}`, other)).statusCode).toBe(404)
    expect((await ask('GET', '/api/session', there)).statusCode).toBe(200)
    expect((await ask('DELETE', `/api/sessions/${handle}`, here)).statusCode).toBe(204)
    expect((await ask('GET', '/api/session', there)).statusCode).toBe(401)
    expect((await ask('GET', '/api/session', here)).statusCode).toBe(200)
  })

  it('gets a new id at every login', async () => {
    const old = cookieOf(await login(7))
    const next = cookieOf(await login(7, { cookie: old }))
    expect(next).not.toBe(old)
    expect((await ask('GET', '/api/session', old)).statusCode).toBe(401)
    expect((await ask('GET', '/api/session', next)).statusCode).toBe(200)
  })

  it('is nobody’s without a login', async () => {
    for (const cookie of [undefined, 'sid=', 'sid=abc', `sid=${'x'.repeat(300)}`, 'sid=a b']) {
      for (const url of ['/api/session', '/api/sessions']) {
        expect((await ask('GET', url, cookie)).statusCode).toBe(401)
        expect((await ask('DELETE', url, cookie)).statusCode).toBe(401)
      }
    }
    expect((await login(201)).statusCode).toBe(404)
    expect((await login(8, { 'x-api-key': '' })).statusCode).toBe(401)
  })
})

describe('limits', () => {
  it('hold for the logins of one user, and are told', async () => {
    const first = await login(20)
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"login";q=3;w=60',
      'x-ratelimit-remaining': '2',
    })
    expect(first.headers['ratelimit']).toMatch(/^"login";r=2;t=\d+$/)
    await login(20)
    await login(20)
    const refused = await login(20)
    expect(refused.statusCode).toBe(429)
    expect(refused.headers['content-type']).toContain('application/problem+json')
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers['set-cookie']).toBeUndefined()
    expect((await login(21)).statusCode).toBe(201)
  })

  it('hold for one address', async () => {
    const from = (remoteAddress: string) =>
      fixture.service.app.inject({ url: '/api/session', remoteAddress })
    const codes: number[] = []
    for (let time = 0; time < 61; time++) codes.push((await from('203.0.113.7')).statusCode)
    expect(codes.slice(0, 60)).toEqual(Array(60).fill(401))
    expect(codes[60]).toBe(429)
    expect((await from('203.0.113.8')).statusCode).toBe(401)
  })
})

describe('while Redis is away', () => {
  it('nobody is let in, and no logout is reported', async () => {
    const cookie = cookieOf(await login(30))
    await fixture.redis.kill()
    try {
      for (const method of ['GET', 'DELETE'] as const) {
        const response = await ask(method, '/api/session', cookie)
        expect(response.statusCode).toBe(503)
        expect(response.headers['set-cookie']).toBeUndefined()
      }
      expect((await login(31)).statusCode).toBe(503)
    } finally {
      await fixture.redis.restart()
    }
    await vi.waitFor(async () => expect((await login(32)).statusCode).toBe(201), {
      timeout: 10_000,
    })
  })
})
