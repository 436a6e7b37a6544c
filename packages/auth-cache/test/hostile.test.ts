import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { monitor, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AuthCacheOptions } from '../src/index.ts'
import { codeOf, jwt, openSide, source, type Side } from './bed.ts'

/** What verifiers, callers and whoever else writes to Redis may do, by mistake or on purpose. */

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

const keysOf = async (pattern: string): Promise<string[]> =>
  (await server.command('KEYS', pattern)) as string[]

describe('a verifier', () => {
  const token = 'canary-token-0123456789'
  const quote = (): never => {
    throw new Error(token)
  }
  const cycle: Record<string, unknown> = { userId: 'ada' }
  cycle['self'] = cycle

  it.each<[string, unknown, RegExp]>([
    ['a function', () => ({ userId: 'ada' }), /^verify: must give an object with userId/],
    ['a number', 5, /^verify: must give an object with userId/],
    ['an array', [], /^verify: userId: must be a non-empty string/],
    ['a number for a user', { userId: 1 }, /^verify: userId: must be .* received number$/],
    ['half a sign for a user', { userId: 'a\ud800' }, /^verify: userId: .* lone surrogate$/],
    ['a cycle', cycle, /^verify: must give an object that JSON can hold/],
    ['a BigInt', { userId: 'ada', n: 1n }, /^verify: must give an object that JSON can hold/],
    ['what becomes no object', { userId: 'ada', toJSON: () => 'ada' }, /that JSON can hold/],
    ['what becomes nothing', { userId: 'ada', toJSON: () => undefined }, /that JSON can hold/],
    ['what becomes nobody', { userId: 'ada', toJSON: () => ({}) }, /^verify: userId: must be/],
    [
      'a user that throws',
      {
        get userId() {
          return quote()
        },
      },
      /that JSON can hold/,
    ],
    [
      'a part that throws',
      {
        userId: 'ada',
        get x() {
          return quote()
        },
      },
      /that JSON can hold/,
    ],
    ['a Date as its end', { userId: 'ada', expiresAt: new Date() }, /^verify: expiresAt must be/],
    ['no number as its end', { userId: 'ada', expiresAt: NaN }, /^verify: expiresAt must be/],
    ['no end as its end', { userId: 'ada', expiresAt: Infinity }, /^verify: expiresAt must be/],
    ['the token', { userId: 'ada', raw: `Bearer ${token}` }, /must not hold the token$/],
    ['the token as a name', { userId: 'ada', [token]: 1 }, /must not hold the token$/],
  ])('that gives %s is told so, and nothing is kept', async (_name, given, rule) => {
    const { auth } = side()
    const error: unknown = await auth
      .authenticate(token, async () => given as never)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toMatch(rule)
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(token)
    expect(await keysOf('app*')).toEqual([])
  })

  it.each(['tok"en-\\canary-0123456789', 'short-1', 'q"\\'])(
    'that gives the token %s is told so, however JSON writes it',
    async (given) => {
      const { auth } = side()
      await expect(
        auth.authenticate(given, async () => ({ userId: 'ada', parts: [given] })),
      ).rejects.toThrow(/must not hold the token$/)
      expect(await keysOf('app*')).toEqual([])
    },
  )

  it.each<[string, unknown]>([
    ['text', token],
    ['nothing', undefined],
    ['null', null],
    ['a symbol', Symbol(token)],
    ['a function', quote],
    ['an object without a prototype', Object.create(null)],
    ['a name that is no text', { name: Object.create(null), code: Object.create(null) }],
    [
      'a name that throws',
      {
        get name() {
          return quote()
        },
      },
    ],
    [
      'what throws whatever is asked',
      new Proxy({}, { get: quote, has: quote, getPrototypeOf: quote }),
    ],
  ])('that throws %s is one that failed', async (_name, thrown) => {
    const { auth } = side()
    const error: unknown = await auth
      .authenticate(token, async () => {
        throw thrown
      })
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'AUTH_UNAVAILABLE', reason: 'verifier' })
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(token)
    expect(await keysOf('app*')).toEqual([])
  })

  it.each<[string, (error: unknown) => boolean]>([
    ['throws', quote],
    ['promises', (async () => true) as never],
  ])('is one that failed where isInvalid %s', async (_name, isInvalid) => {
    const { auth } = side({ isInvalid })
    const error: unknown = await auth.authenticate(token, quote).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'AUTH_UNAVAILABLE', reason: 'verifier' })
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(token)
  })

  it('that has getters and a toJSON is taken by what JSON has of it', async () => {
    const { auth } = side()
    let asked = 0
    const given = {
      get userId() {
        return asked++ === 0 ? 'ada' : 'eve'
      },
    }
    expect(await auth.authenticate(token, async () => given)).toEqual({ userId: 'ada' })
    await auth.revokeUser('ada')
    expect(await codeOf(auth.authenticate(token, source().verify))).toBe('TOKEN_REVOKED')
  })

  it('gives no prototype', async () => {
    const { auth } = side()
    const given: object = JSON.parse(
      '{"userId":"ada","__proto__":{"role":"admin"},"a":{"__proto__":1}}',
    )
    for (let i = 0; i < 2; i++) {
      const who = await auth.authenticate(token, async () => given as never)
      expect(Object.getOwnPropertyNames(who)).toEqual(['userId', 'a'])
      expect(Object.assign({}, who)).not.toHaveProperty('role')
    }
  })

  it('that hangs holds nobody up for longer than verifyTimeout, those in line included', async () => {
    const { auth } = side({ verifyTimeout: '100ms', maxVerifications: 1 })
    const reasons = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        auth.authenticate(`hang-${i}`, () => new Promise(() => {})).catch((error) => error.reason),
      ),
    )
    expect(reasons[0]).toBe('timeout')
    expect(reasons.filter((reason) => reason === 'overloaded').length).toBeGreaterThanOrEqual(18)
    expect((await auth.authenticate('good', source().verify)).userId).toBe('ada')
  })
})

describe('a token', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a number', 5],
    ['an array', ['token']],
    ['a String', Object('token')],
    ['bytes', Buffer.from('token')],
    ['a symbol', Symbol('token')],
    ['empty', ''],
    ['half a sign', 'token-\ud800'],
    ['1 MB', 'x'.repeat(1 << 20)],
  ])('that is %s is invalid, and asks nobody', async (_name, token) => {
    const { auth, connection } = side()
    await connection.get('warm')
    const db = source()
    await using watch = await monitor(server)
    expect(await codeOf(auth.authenticate(token as string, db.verify))).toBe('TOKEN_INVALID')
    expect(await auth.setToken(token as string)).toBe(false)
    expect(await auth.getToken(token as string)).toBeUndefined()
    await auth.revokeToken(token as string)
    await auth.clearToken(token as string)
    expect((await watch.commands()).filter(({ args }) => args.join().includes('app'))).toEqual([])
    expect(db.calls).toBe(0)
  })

  it.each(['__proto__', 'constructor', 'a:b', '*', '{}', '%', '\0', ' '])(
    'that is %j is a token like others',
    async (token) => {
      const { auth } = side()
      const db = source()
      for (let i = 0; i < 2; i++)
        expect((await auth.authenticate(token, db.verify)).userId).toBe('ada')
      expect(db.calls).toBe(1)
      await auth.revokeToken(token)
      expect(await codeOf(auth.authenticate(token, db.verify))).toBe('TOKEN_REVOKED')
      expect(await codeOf(auth.authenticate(`${token}x`, db.verify))).toBe('resolved')
    },
  )

  it.each([1e12, 1e15, 1e17, 1e300])('is revoked whose end is the year of %d s', async (exp) => {
    const { auth, cache } = side()
    const db = source()
    const token = jwt({ sub: 'ada', exp })
    expect((await auth.authenticate(token, db.verify)).userId).toBe('ada')
    expect(await auth.setToken(token)).toBe(true)
    await auth.revokeToken(token)
    expect(await codeOf(side().auth.authenticate(token, db.verify))).toBe('TOKEN_REVOKED')
    expect(cache.namespace).toBe('app')
  })

  it('is never kept past its end, however long its verifier took', async () => {
    const { auth } = side({ ttl: '1s', staleWhileRevalidate: '1h' })
    const exp = Date.now() / 1_000 + 20
    const db = source()
    const held = db.hold()
    const call = auth.authenticate(jwt({ exp }), db.verify)
    const release = await held
    const asked = Date.now()
    await waitFor(() => Date.now() - asked > 600)
    release()
    await call
    const [key] = (await keysOf('app:auth::t:*')) as [string]
    const left = Number(await server.command('PTTL', key))
    expect(Date.now() + left).toBeLessThanOrEqual(exp * 1_000)
    expect(left).toBeGreaterThan(15_000)
  })
})

describe('a user', () => {
  it.each<[string, unknown]>([
    ['a number', 1],
    ['nothing', undefined],
    ['null', null],
    ['an object', {}],
    ['empty', ''],
    ['half a sign', 'a\ud800'],
  ])('that is %s is refused wherever it is given', async (_name, userId) => {
    const { auth } = side()
    const id = userId as string
    for (const call of [
      () => auth.set(id, { user: 1, userTenants: [] }),
      () => auth.get(id),
      () => auth.clear(id),
      () => auth.revokeUser(id),
    ]) {
      await expect(call()).rejects.toThrow(/^userId: must be a non-empty string/)
    }
    if (userId !== undefined) {
      await expect(auth.setToken('t', { userId: id })).rejects.toThrow(/^userId: must be/)
    }
    expect(await keysOf('*')).toEqual([])
  })

  it('is the very one: no glob, no part, no other way to write it', async () => {
    const { auth } = side()
    const ids = [
      '1',
      '1:admin',
      '1:',
      '*',
      '?',
      '[1]',
      '1%3Aadmin',
      'é',
      'e\u0301',
      '\ufffd',
      '__proto__',
    ]
    const long = ['x'.repeat(1_000_000), `${'x'.repeat(999_999)}y`]
    const db = source((token) => token.slice('token of '.length))
    for (const id of [...ids, ...long]) {
      await auth.set(id, { user: id, userTenants: [] })
      if (id.length < 100) await auth.authenticate(`token of ${id}`, db.verify)
    }
    for (const gone of ['1', '*', '?', 'é', long[0] as string]) await auth.revokeUser(gone)
    for (const id of [...ids, ...long]) {
      const revoked = ['1', '*', '?', 'é', long[0]].includes(id)
      expect((await auth.get(id))?.user).toBe(revoked ? undefined : id)
      if (id.length < 100) {
        expect(await codeOf(auth.authenticate(`token of ${id}`, db.verify))).toBe(
          revoked ? 'TOKEN_REVOKED' : 'resolved',
        )
      }
    }
  })
})

describe('setToken', () => {
  it.each<[string, unknown, RegExp]>([
    ['a misspelt option', { user: 'ada' }, /^user: is no option of setToken \(userId, ttl\)$/],
    ['null', null, /^options: must be an object, received null$/],
    ['a time for options', '5m', /^options: must be an object/],
    ['a time beyond all', { ttl: 1e15 }, /^ttl: must be at most 100 years/],
  ])(
    'refuses %s: no revocation of its user would reach the token',
    async (_name, options, rule) => {
      const { auth } = side()
      await expect(auth.setToken('t', options as never)).rejects.toThrow(rule)
      expect(await keysOf('app*')).toEqual([])
    },
  )
})

describe('options', () => {
  it.each<[object, RegExp]>([
    [{ near: true }, /^near: must be an object .* or false, received true$/],
    [{ revocationTtl: 1e12 }, /^revocationTtl: must be at most 100 years/],
    [{ dataTtl: '200y' }, /^dataTtl: must be at most 100 years/],
    [{ negativeTtl: '200y' }, /^negativeTtl: must be at most 100 years/],
    [{ staleWhileRevalidate: '200y' }, /^staleWhileRevalidate: must be at most 100 years/],
    [{ verifyTimeout: '2m' }, /^verifyTimeout: must be at most 60 s, received "2m"$/],
    [{ verifyTimeout: 0 }, /^verifyTimeout: must be more than 0/],
    [{ clockSkew: '61s' }, /^clockSkew: must be at most 60 s, received "61s"$/],
  ])('%j are refused when made', (options, rule) => {
    expect(() => side(options)).toThrow(rule)
  })
})

describe('Redis', () => {
  const kinds = ['token', 'user', 'all'] as const
  const writes = ['LPUSH', 'SADD', 'HSET', 'ZADD', 'XADD'] as const
  const strange = {
    LPUSH: ['x'],
    SADD: ['x'],
    HSET: ['x', 'y'],
    ZADD: ['1', 'x'],
    XADD: ['*', 'x', 'y'],
  }

  it.each(
    kinds.flatMap((kind) => (['near: false', 'near'] as const).map((tier) => ({ kind, tier }))),
  )(
    'that holds another type for a revocation, $kind, $tier: nobody knows, so nothing is served',
    async ({ kind, tier }) => {
      const { auth, connection } = side(tier === 'near' ? { near: {} } : {})
      if (tier === 'near') await connection.signals.whenOn(10_000)
      const other = side()
      const db = source()
      for (const write of writes) {
        await server.command('FLUSHALL')
        const token = `t-${write}`
        for (let i = 0; i < 3; i++) await auth.authenticate(token, db.verify)
        await auth.setToken(token, { userId: 'ada' })
        if (kind === 'user') await auth.set('ada', { user: 1, userTenants: [] })
        if (kind === 'token') await other.auth.revokeToken(token)
        else if (kind === 'user') await other.auth.revokeUser('ada')
        else await other.auth.revokeAll()
        const [key] = (await keysOf(
          kind === 'all' ? 'corral:auth:*:all' : `corral:auth:*:${kind[0]}:*`,
        )) as [string]
        await server.command('DEL', key)
        await server.command(write, key, ...strange[write])
        // Neither of these has seen the revocation itself.
        const fresh = side()
        await waitFor(
          async () => (await codeOf(auth.authenticate(token, db.verify))) !== 'resolved',
        )
        for (const { auth: each } of [{ auth }, fresh]) {
          expect(await codeOf(each.authenticate(token, db.verify))).toBe('TOKEN_REVOKED')
          expect(await each.getToken(token)).toBeUndefined()
          expect(await each.get('ada')).toBeUndefined()
        }
        // A revocation makes it one again.
        if (kind === 'token') await auth.revokeToken(token)
        else if (kind === 'user') await auth.revokeUser('ada')
        else await auth.revokeAll()
        expect(await server.command('TYPE', key)).toBe('string')
      }
    },
  )

  it.each(['x', 'inf', 'nan', '-5', '9007199254740993', '1e300'])(
    'that holds %s for the newest stamp: revocations hold, and what comes after is good',
    async (text) => {
      const { auth } = side()
      const db = source((token) => (token.startsWith('bob') ? 'bob' : 'ada'))
      await auth.authenticate('before', db.verify)
      await auth.revokeUser('bob')
      await server.command('SET', 'corral:auth:{app:auth}:newest', text)
      expect((await auth.authenticate('bob, after', db.verify)).userId).toBe('bob')
      await auth.authenticate('between', db.verify)
      await auth.revokeUser('ada')
      for (const token of ['before', 'between']) {
        expect(await codeOf(side().auth.authenticate(token, db.verify))).toBe('TOKEN_REVOKED')
      }
      expect((await auth.authenticate('after', db.verify)).userId).toBe('ada')
      expect((await side().auth.authenticate('after', db.verify)).userId).toBe('ada')
      await auth.revokeUser('ada')
      expect(await codeOf(auth.authenticate('after', db.verify))).toBe('TOKEN_REVOKED')
    },
  )

  it('that lost the newest stamp and has a list there begins anew', async () => {
    const { auth } = side()
    const db = source()
    await auth.revokeUser('ada')
    await server.command('DEL', 'corral:auth:{app:auth}:newest')
    await server.command('LPUSH', 'corral:auth:{app:auth}:newest', 'x')
    expect((await auth.authenticate('after', db.verify)).userId).toBe('ada')
    await auth.revokeUser('ada')
    expect(await codeOf(auth.authenticate('after', db.verify))).toBe('TOKEN_REVOKED')
  })

  it.each(kinds.flatMap((kind) => ['a list', 'text'].map((what) => ({ kind, what }))))(
    'that held $what for a revocation, $kind, leaves nothing behind when it is mended',
    async ({ kind, what }) => {
      const { auth } = side()
      const db = source()
      await auth.authenticate('t', db.verify)
      const digest = (text: string): string => createHash('sha256').update(text).digest('base64url')
      const part = { token: `t:${digest('t')}`, user: `u:${digest('ada')}`, all: 'all' }[kind]
      const key = `corral:auth:{app:auth}:${part}`
      if (what === 'a list') await server.command('LPUSH', key, 'x')
      else await server.command('SET', key, 'garbage')
      for (const each of [auth, side().auth]) {
        expect(await codeOf(each.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
      }
      expect((await keysOf('corral:auth:*')).toSorted()).toEqual(
        [key, 'corral:auth:{app:auth}:newest'].toSorted(),
      )
      await server.command('DEL', key)
      for (const each of [auth, side().auth]) {
        expect((await each.authenticate('t', db.verify)).userId).toBe('ada')
      }
      expect(db.calls).toBe(1)
    },
  )

  it('mended after it held garbage is believed again', async () => {
    const { auth } = side()
    const db = source()
    await auth.authenticate('t', db.verify)
    await auth.revokeUser('bob')
    const [key] = (await keysOf('corral:auth:*:u:*')) as [string]
    await server.command('SET', key, 'garbage')
    expect(await codeOf(auth.authenticate('of bob', source(() => 'bob').verify))).toBe(
      'TOKEN_REVOKED',
    )
    await server.command('DEL', key)
    expect(await codeOf(auth.authenticate('new of bob', source(() => 'bob').verify))).toBe(
      'resolved',
    )
  })
})

describe('after close', () => {
  it('nothing is authenticated or revoked: nothing would send it again', async () => {
    const { auth } = side()
    await auth.close()
    for (const call of [
      () => auth.authenticate('t', source().verify),
      () => auth.revokeToken('t'),
      () => auth.revokeUser('ada'),
      () => auth.revokeAll(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'AUTH_UNAVAILABLE', reason: 'closed' })
    }
    expect(await keysOf('corral:auth:*')).toEqual([])
  })
})
