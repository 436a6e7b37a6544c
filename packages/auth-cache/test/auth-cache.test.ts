import {
  monitor,
  startRedis,
  waitFor,
  type MonitoredCommand,
  type TestRedis,
} from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AuthCacheOptions } from '../src/index.ts'
import { codeOf, jwt, openSide, source, type Side } from './bed.ts'

let server: TestRedis
let sides: Side[] = []

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))
afterEach(async () => {
  await Promise.all(sides.map((side) => side.end()))
  sides = []
})

function side(options: Omit<AuthCacheOptions, 'cache'> = {}): Side {
  const made = openSide(server, options)
  sides.push(made)
  return made
}

/** Not what the connection asks for its own sake: TIME, INFO, PING. */
const isOurs = ({ args }: MonitoredCommand): boolean => args.some((arg) => arg.includes('app:auth'))

const ttlOf = async (pattern: string): Promise<number[]> => {
  const keys = (await server.command('KEYS', pattern)) as string[]
  return Promise.all(keys.map(async (key) => Number(await server.command('PTTL', key))))
}

describe('authenticate', () => {
  it('asks the verifier once, in this process and in others', async () => {
    const [one, two] = [side().auth, side().auth]
    const db = source()
    const who = await one.authenticate('token-1', db.verify)
    expect(who).toEqual({ userId: 'ada', role: 'member' })
    expect(await two.authenticate('token-1', db.verify)).toEqual(who)
    expect(await one.authenticate('token-1', db.verify)).toEqual(who)
    expect(db.calls).toBe(1)
  })

  it('asks it once for 1,000 calls at a time', async () => {
    const { auth } = side()
    const db = source()
    const held = db.hold()
    const calls = Array.from({ length: 1_000 }, () => auth.authenticate('token-1', db.verify))
    const release = await held
    release()
    const all = await Promise.all(calls)
    expect(db.calls).toBe(1)
    expect(new Set(all.map((who) => who.userId))).toEqual(new Set(['ada']))
    // They share it, so none can change what the others see.
    expect(() => Object.assign(all[0] as object, { role: 'admin' })).toThrow(TypeError)
  })

  it('asks it once for 1,000 calls in each of two processes', async () => {
    const [one, two] = [side().auth, side().auth]
    const db = source()
    const held = db.hold()
    const calls = [one, two].flatMap((auth) =>
      Array.from({ length: 1_000 }, () => auth.authenticate('token-1', db.verify)),
    )
    ;(await held)()
    await Promise.all(calls)
    expect(db.calls).toBe(1)
  })

  it('reads a known token with its revocations in one round trip, those of a tick together', async () => {
    const { auth } = side()
    const db = source()
    await auth.authenticate('token-1', db.verify)
    await auth.authenticate('token-1', db.verify)
    await using watch = await monitor(server)
    await Promise.all(Array.from({ length: 20 }, () => auth.authenticate('token-1', db.verify)))
    const commands = (await watch.commands()).filter(isOurs).map(({ name }) => name)
    // In this order: what comes in between counts as more than was there.
    expect(commands).toEqual(['EXISTS', 'MGET'])
  })

  it('takes no command for a known token with near copies', async () => {
    const { auth, connection } = side({ near: { maxEntries: 100 } })
    const db = source()
    await connection.signals.whenOn(10_000)
    for (let i = 0; i < 3; i++) await auth.authenticate('token-1', db.verify)
    await using watch = await monitor(server)
    for (let i = 0; i < 10; i++) await auth.authenticate('token-1', db.verify)
    const commands = (await watch.commands()).filter(isOurs)
    expect(commands).toEqual([])
    expect(db.calls).toBe(1)
  })

  it('keeps nothing when the verifier fails, and says nothing of the token', async () => {
    const { auth } = side()
    let failing = true
    const db = source()
    const verify = async (token: string) => {
      if (failing) throw new Error(`could not reach the identity provider for ${token}`)
      return db.verify(token)
    }
    for (let i = 0; i < 3; i++) {
      const error = await auth
        .authenticate('token-12345678901234567890', verify)
        .catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'AUTH_UNAVAILABLE', reason: 'verifier' })
    }
    expect((await server.command('KEYS', '*')) as string[]).toEqual([
      'corral:auth:{app:auth}:newest',
    ])
    failing = false
    expect(await auth.authenticate('token-12345678901234567890', verify)).toMatchObject({
      userId: 'ada',
    })
  })

  it('ends a verifier that takes too long', async () => {
    const { auth } = side({ verifyTimeout: '50ms' })
    let aborted = false
    const call = auth.authenticate('token-1', (_token, { signal }) => {
      signal.addEventListener('abort', () => (aborted = true))
      return new Promise(() => {})
    })
    await expect(call).rejects.toMatchObject({ code: 'AUTH_UNAVAILABLE', reason: 'timeout' })
    expect(aborted).toBe(true)
  })

  it('tells errors about the token from errors of the verifier', async () => {
    const { auth } = side({ negativeTtl: 0 })
    const throwing = (name: string, code?: string) => async (): Promise<never> => {
      throw Object.assign(new Error('x'), { name, ...(code !== undefined && { code }) })
    }
    expect(await codeOf(auth.authenticate('a', throwing('TokenExpiredError')))).toBe(
      'TOKEN_INVALID',
    )
    expect(
      await codeOf(
        auth.authenticate(
          'b',
          throwing('JWSSignatureVerificationFailed', 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'),
        ),
      ),
    ).toBe('TOKEN_INVALID')
    expect(await codeOf(auth.authenticate('c', throwing('JWKSTimeout', 'ERR_JWKS_TIMEOUT')))).toBe(
      'AUTH_UNAVAILABLE',
    )
    expect(await codeOf(auth.authenticate('d', throwing('TypeError')))).toBe('AUTH_UNAVAILABLE')
  })

  it('asks once for a token that is refused, until negativeTtl', async () => {
    const { auth } = side()
    const db = source(() => undefined)
    for (let i = 0; i < 5; i++) {
      expect(await codeOf(auth.authenticate('bad', db.verify))).toBe('TOKEN_INVALID')
    }
    expect(db.calls).toBe(1)
    const shared = await Promise.all(
      Array.from({ length: 100 }, () => codeOf(auth.authenticate('worse', db.verify))),
    )
    expect(new Set(shared)).toEqual(new Set(['TOKEN_INVALID']))
    expect(db.calls).toBe(2)
  })

  it('refuses without Redis and the verifier what no verifier needs to see', async () => {
    const { auth, connection } = side()
    await connection.get('warm')
    const db = source()
    const now = Date.now() / 1_000
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"admin"}').toString('base64url')}.`
    const tokens = [
      jwt({ exp: now - 5 }),
      jwt({ nbf: now + 60 }),
      none,
      `${jwt({})}.x`,
      'x'.repeat(100_000),
      '',
    ]
    await using watch = await monitor(server)
    for (const token of tokens) {
      for (let i = 0; i < 2; i++) {
        expect(await codeOf(auth.authenticate(token, db.verify))).toBe('TOKEN_INVALID')
      }
      expect(await auth.getToken(token)).toBeUndefined()
      expect(await auth.setToken(token)).toBe(false)
    }
    expect((await watch.commands()).filter(isOurs)).toEqual([])
    expect(db.calls).toBe(0)
  })

  it('wants an identity, and one that does not hold the token', async () => {
    const { auth } = side()
    const wrong = (value: unknown) =>
      auth.authenticate('token-12345678901234567890', async () => value as never)
    await expect(wrong('ada')).rejects.toThrow(TypeError)
    await expect(wrong({ id: 'ada' })).rejects.toThrow(/userId/)
    await expect(wrong({ userId: '' })).rejects.toThrow(/userId/)
    await expect(wrong({ userId: 'a', expiresAt: 'soon' })).rejects.toThrow(/expiresAt/)
    await expect(wrong({ userId: 'a', raw: 'Bearer token-12345678901234567890' })).rejects.toThrow(
      /hold the token/,
    )
    expect((await server.command('KEYS', 'app*')) as string[]).toEqual([])
  })
})

describe('time', () => {
  it('never outlives the end of a JWT, stale time included', async () => {
    const { auth } = side({ ttl: '1h', staleWhileRevalidate: '1h', dataTtl: '1h' })
    const db = source()
    const exp = Date.now() / 1_000 + 30
    await auth.authenticate(jwt({ exp }), db.verify)
    await auth.setToken(jwt({ exp }))
    const ttls = await ttlOf('app:auth::*')
    expect(ttls).toHaveLength(2)
    for (const ttl of ttls) expect(ttl).toBeLessThanOrEqual(exp * 1_000 - Date.now())
  })

  it('nor what the verifier says of an opaque token', async () => {
    const { auth } = side({ ttl: '1h' })
    const expiresAt = Date.now() + 20_000
    await auth.authenticate('opaque', async () => ({ userId: 'ada', expiresAt }))
    const [ttl] = await ttlOf('app:auth::*')
    expect(ttl).toBeLessThanOrEqual(expiresAt - Date.now())
    expect(
      await codeOf(
        auth.authenticate('old', async () => ({ userId: 'ada', expiresAt: Date.now() - 1 })),
      ),
    ).toBe('TOKEN_INVALID')
  })

  it('nor is served past it from an entry whose ttl somebody made longer', async () => {
    const { auth } = side()
    let expiresAt = Date.now() + 400
    let calls = 0
    const verify = async () => {
      calls++
      return { userId: 'ada', expiresAt }
    }
    await auth.authenticate('opaque', verify)
    const [key] = (await server.command('KEYS', 'app:auth::t:*')) as [string]
    const text = String(await server.command('GET', key))
    const far = Date.now() + 3_600_000
    await server.command(
      'SET',
      key,
      text.replace(/"expires":\d+/, `"expires":${far}`),
      'PX',
      3_600_000,
    )
    await waitFor(() => Date.now() > expiresAt)
    expiresAt = far
    await auth.authenticate('opaque', verify)
    expect(calls).toBe(2)
  })

  it('is not served on as stale once the verifier has refused it', async () => {
    const { auth } = side({ ttl: '50ms', staleWhileRevalidate: '10m', negativeTtl: 0 })
    let good = true
    const db = source(() => (good ? 'ada' : undefined))
    await auth.authenticate('t', db.verify)
    good = false
    const fetched = Date.now()
    await waitFor(() => Date.now() - fetched > 60)
    expect((await auth.authenticate('t', db.verify)).userId).toBe('ada')
    await waitFor(async () => (await ttlOf('app:auth::*')).length === 0)
    expect(await codeOf(auth.authenticate('t', db.verify))).toBe('TOKEN_INVALID')
  })

  it('lives ttl otherwise', async () => {
    const { auth } = side({ ttl: '2m' })
    await auth.authenticate('opaque', source().verify)
    const [ttl] = await ttlOf('app:auth::*')
    expect(ttl).toBeGreaterThan(110_000)
    expect(ttl).toBeLessThanOrEqual(120_000)
  })

  it('asks the verifier, and keeps nothing, while clocks cannot tell whether a token has ended', async () => {
    const { auth } = side({ clockSkew: '30s' })
    const db = source()
    const token = jwt({ exp: Date.now() / 1_000 - 5 })
    await auth.authenticate(token, db.verify)
    await auth.authenticate(token, db.verify)
    expect(db.calls).toBe(2)
    expect(await ttlOf('app:auth::*')).toEqual([])
  })
})

describe('known tokens and users', () => {
  it('are there in every process, and go', async () => {
    const [one, two] = [side().auth, side().auth]
    expect(await one.getToken('jwt_token_123')).toBeUndefined()
    expect(await one.setToken('jwt_token_123')).toBe(true)
    expect(await two.getToken('jwt_token_123')).toBe('jwt_token_123')
    await two.clearToken('jwt_token_123')
    expect(await one.getToken('jwt_token_123')).toBeUndefined()
    const data = { user: { id: '123' }, userTenants: [{ id: 't1' }] }
    expect(await one.set('ada', data)).toBe(true)
    expect(await two.get('ada')).toEqual(data)
    await two.clear('ada')
    expect(await one.get('ada')).toBeUndefined()
  })

  it('know what was authenticated', async () => {
    const { auth } = side()
    await auth.authenticate('token-1', source().verify)
    expect(await auth.getToken('token-1')).toBe('token-1')
    await auth.clearToken('token-1')
    expect(await auth.getToken('token-1')).toBeUndefined()
  })

  it('are taken back by revocations', async () => {
    const [one, two] = [side().auth, side().auth]
    await one.setToken('a', { userId: 'ada' })
    await one.setToken('b', { userId: 'bob' })
    await one.setToken('c')
    await one.set('ada', { user: 1, userTenants: [] })
    await two.revokeUser('ada')
    expect(await one.getToken('a')).toBeUndefined()
    expect(await one.get('ada')).toBeUndefined()
    expect(await one.getToken('b')).toBe('b')
    await two.revokeToken('b')
    expect(await one.getToken('b')).toBeUndefined()
    expect(await one.setToken('b')).toBe(false)
    await two.revokeAll()
    expect(await one.getToken('c')).toBeUndefined()
    // What is found out afterwards is good.
    await one.set('ada', { user: 2, userTenants: [] })
    expect(await two.get('ada')).toEqual({ user: 2, userTenants: [] })
    expect(await one.setToken('d', { userId: 'ada' })).toBe(true)
    expect(await two.getToken('d')).toBe('d')
  })

  it('find no other user by a name with strange signs', async () => {
    const { auth } = side()
    const names = ['a', 'A', 'a ', 'a:b', 'a%3Ab', '{a}', '__proto__', 'ä', 'x'.repeat(1_000)]
    for (const name of names) await auth.set(name, { user: name, userTenants: [] })
    for (const name of names) expect((await auth.get(name))?.user).toBe(name)
    await auth.revokeUser('a:b')
    for (const name of names)
      expect((await auth.get(name))?.user).toBe(name === 'a:b' ? undefined : name)
  })
})

describe('pepper', () => {
  const [old, young] = ['o'.repeat(32), 'y'.repeat(32)]

  it('is rotated without asking anew, or forgetting a revocation', async () => {
    const db = source(() => 'ada')
    const before = side({ pepper: old }).auth
    await before.authenticate('token-1', db.verify)
    await before.authenticate('token-2', db.verify)
    await before.setToken('token-3')
    await before.revokeToken('token-2')
    const after = side({ pepper: [young, old] }).auth
    await after.authenticate('token-1', db.verify)
    expect(db.calls).toBe(2)
    expect(await after.getToken('token-3')).toBe('token-3')
    expect(await codeOf(after.authenticate('token-2', db.verify))).toBe('TOKEN_REVOKED')
    await after.clearToken('token-3')
    expect(await before.getToken('token-3')).toBeUndefined()
    const between = side({ pepper: [old, young] }).auth
    await after.revokeToken('token-1')
    expect(await codeOf(between.authenticate('token-1', db.verify))).toBe('TOKEN_REVOKED')
  })

  it('seals: what somebody else wrote, or moved to another key, is not believed', async () => {
    const { auth } = side({ pepper: old })
    const db = source((token) => token.slice('token-'.length))
    await auth.authenticate('token-ada', db.verify)
    await auth.authenticate('token-bob', db.verify)
    await auth.set('ada', { user: 'ada', userTenants: ['all'] })
    await auth.set('bob', { user: 'bob', userTenants: [] })
    const keys = (await server.command('KEYS', 'app:auth::t:*')) as string[]
    const [first, second] = (await Promise.all(keys.map((key) => server.command('GET', key)))) as [
      string,
      string,
    ]
    // Another's record, whole: with and without the mark that tells core whose key it is.
    for (const unmarked of [
      (text: string) => text,
      (text: string) => text.replace(/"k":"[^"]*",?/, ''),
    ]) {
      await server.command('SET', keys[0] as string, unmarked(second))
      await server.command('SET', keys[1] as string, unmarked(first))
      expect((await auth.authenticate('token-ada', db.verify)).userId).toBe('ada')
      expect((await auth.authenticate('token-bob', db.verify)).userId).toBe('bob')
    }
    const admin = JSON.stringify({ at: 9e15, user: 'eve', data: { userId: 'eve', role: 'admin' } })
    for (const mac of [undefined, 'x', 'A'.repeat(43)]) {
      await server.command(
        'SET',
        keys[0] as string,
        JSON.stringify({ value: { v: 1, body: admin, mac } }),
      )
      const who = await Promise.all(
        ['token-ada', 'token-bob'].map((token) => auth.authenticate(token, db.verify)),
      )
      expect(who.map((it) => it.userId)).toEqual(['ada', 'bob'])
    }
    await server.command('SET', 'app:auth::u:ada', JSON.stringify({ value: { v: 1, body: admin } }))
    expect(await auth.get('ada')).toBeUndefined()
  })

  it('is checked, and never shown', () => {
    for (const pepper of ['short-secret', [], [old, 'short-secret'], 5]) {
      let text = ''
      try {
        side({ pepper: pepper as never })
      } catch (error) {
        text = String(error)
      }
      expect(text).toMatch(/^(TypeError|RangeError): pepper: must/)
      expect(text).not.toContain('short-secret')
    }
  })
})

it('works on memory alone', async () => {
  const { createCache } = await import('@corral/core')
  const { createAuthCache } = await import('../src/index.ts')
  const cache = createCache({ namespace: 'app' })
  const auth = createAuthCache({ cache })
  const db = source()
  await auth.authenticate('a', db.verify)
  await auth.authenticate('a', db.verify)
  expect(db.calls).toBe(1)
  await auth.revokeUser('ada')
  expect(await codeOf(auth.authenticate('a', db.verify))).toBe('TOKEN_REVOKED')
  expect((await auth.authenticate('b', db.verify)).userId).toBe('ada')
  await auth.revokeToken('b')
  expect(await codeOf(auth.authenticate('b', db.verify))).toBe('TOKEN_REVOKED')
  await auth.close()
  expect(await codeOf(auth.authenticate('c', db.verify))).toBe('AUTH_UNAVAILABLE')
  await cache.close()
})
