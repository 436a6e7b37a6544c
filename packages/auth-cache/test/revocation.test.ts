import { monitor, startProxy, startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AuthCacheOptions } from '../src/index.ts'
import { codeOf, jwt, majors, openSide, source, type Major, type Side } from './bed.ts'

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

function side(options: Omit<AuthCacheOptions, 'cache'> = {}, major: Major = 6): Side {
  const made = openSide(server, options, '5s', major)
  sides.push(made)
  return made
}

async function nearSide(
  options: Omit<AuthCacheOptions, 'cache'> = {},
  major: Major = 6,
): Promise<Side> {
  const made = side({ near: { maxEntries: 1_000 }, ...options }, major)
  await made.connection.signals.whenOn(10_000)
  return made
}

/** What is revoked, by whom, and whether copies are kept: each with each. */
const kinds = ['token', 'user', 'all'] as const
const places = ['the same process', 'another process'] as const
const tiers = ['near: false', 'near'] as const
const cases = kinds.flatMap((kind) =>
  places.flatMap((place) =>
    tiers.flatMap((tier) => majors.map((major) => ({ kind, place, tier, major }))),
  ),
)

async function revoke({ auth }: Side, kind: (typeof kinds)[number], token: string): Promise<void> {
  if (kind === 'token') await auth.revokeToken(token)
  else if (kind === 'user') await auth.revokeUser('ada')
  else await auth.revokeAll()
}

describe.each(cases)('$kind revoked by $place, $tier, ioredis $major', (each) => {
  const { kind, place, tier, major } = each

  async function pair(options: Omit<AuthCacheOptions, 'cache'> = {}): Promise<[Side, Side]> {
    const make = tier === 'near' ? nearSide : async (given = options) => side(given, major)
    const one = await make(options, major)
    return [one, place === 'the same process' ? one : await make(options, major)]
  }

  it('while it is verified for the first time: neither those who wait get it, nor who asks later', async () => {
    const [one, two] = await pair()
    const db = source()
    const held = db.hold()
    const waiting = Array.from({ length: 10 }, () => codeOf(one.auth.authenticate('t', db.verify)))
    const release = await held
    await revoke(two, kind, 't')
    const joined = codeOf(one.auth.authenticate('t', db.verify))
    release()
    expect(new Set(await Promise.all([...waiting, joined]))).toEqual(new Set(['TOKEN_REVOKED']))
    for (const { auth } of [one, two]) {
      expect(await codeOf(auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
      expect(await auth.getToken('t')).toBeUndefined()
    }
    expect(db.calls).toBe(1)
  })

  it('while a third process waits for what the verifier says', async () => {
    const [one, two] = await pair()
    const third = side({}, major)
    const db = source()
    const held = db.hold()
    const loading = codeOf(one.auth.authenticate('t', db.verify))
    const release = await held
    const waiting = codeOf(third.auth.authenticate('t', db.verify))
    await revoke(two, kind, 't')
    release()
    expect(await loading).toBe('TOKEN_REVOKED')
    // It asks the verifier itself if the lease went with the revocation; a user's newer tokens are good.
    const code = await waiting
    if (kind === 'token' || db.calls === 1) expect(code).toBe('TOKEN_REVOKED')
  })

  it('while a stale one is verified anew behind', async () => {
    const [one, two] = await pair({ ttl: '50ms', staleWhileRevalidate: '10m' })
    const db = source()
    await one.auth.authenticate('t', db.verify)
    await two.auth.authenticate('t', db.verify)
    const fetched = Date.now()
    await waitFor(() => Date.now() - fetched > 60)
    const held = db.hold()
    expect((await one.auth.authenticate('t', db.verify)).userId).toBe('ada')
    const release = await held
    await revoke(two, kind, 't')
    if (place === 'the same process' || tier === 'near: false') {
      expect(await codeOf(one.auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
    }
    release()
    await waitFor(
      async () => (await codeOf(one.auth.authenticate('t', db.verify))) === 'TOKEN_REVOKED',
    )
    for (let i = 0; i < 20; i++) {
      expect(await codeOf(one.auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
      expect(await codeOf(two.auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
    }
  })

  it('in a row: not once served after the acknowledgement, or the signal', async () => {
    const [one, two] = await pair()
    const owners = new Map<string, string>()
    const db = source((token) => owners.get(token))
    const delays: number[] = []
    for (let round = 0; round < 30; round++) {
      const token = `token-${round}`
      owners.set(token, 'ada')
      for (let i = 0; i < 3; i++) await one.auth.authenticate(token, db.verify)
      await revoke(two, kind, token)
      const acknowledged = performance.now()
      let last = acknowledged
      for (;;) {
        const began = performance.now()
        if ((await codeOf(one.auth.authenticate(token, db.verify))) === 'TOKEN_REVOKED') break
        last = performance.now()
        expect(began - acknowledged).toBeLessThan(1_000)
      }
      delays.push(last - acknowledged)
    }
    if (place === 'the same process' || tier === 'near: false') {
      expect(Math.max(...delays)).toBe(0)
    } else if (process.env['CORRAL_MEASURE'] !== undefined) {
      delays.sort((a, b) => a - b)
      process.stderr.write(
        `${kind}: p50 ${delays[15]?.toFixed(2)} max ${delays[29]?.toFixed(2)} ms\n`,
      )
    }
  })
})

describe('revokeUser', () => {
  it('takes one command for 10,000 tokens, and reaches each', async () => {
    const [one, two] = [side(), side()]
    const db = source((token) => (token.startsWith('bob') ? 'bob' : 'ada'))
    const tokens = Array.from({ length: 10_000 }, (_, i) => `ada-${i}`)
    for (let at = 0; at < tokens.length; at += 500) {
      await Promise.all(
        tokens.slice(at, at + 500).map((token) => one.auth.authenticate(token, db.verify)),
      )
    }
    await one.auth.authenticate('bob-1', db.verify)
    await waitFor(
      async () => ((await server.command('KEYS', 'app:auth::t:*')) as string[]).length === 10_001,
    )
    const calls = db.calls
    await using watch = await monitor(server)
    await two.auth.revokeUser('ada')
    const all = await watch.commands({ lua: true })
    // The stamp, and what was set for the user; then what they do inside.
    const sent = all
      .filter(({ lua, args }) => !lua && args.some((arg) => arg.includes('app:auth')))
      .map(({ name }) => name)
    expect(sent[0]).toMatch(/^EVAL/)
    expect(sent.length).toBeLessThanOrEqual(3)
    expect(all.length).toBeLessThan(20)
    for (let at = 0; at < tokens.length; at += 500) {
      const codes = await Promise.all(
        tokens.slice(at, at + 500).map((token) => codeOf(two.auth.authenticate(token, db.verify))),
      )
      expect(new Set(codes)).toEqual(new Set(['TOKEN_REVOKED']))
    }
    expect(await codeOf(two.auth.authenticate('bob-1', db.verify))).toBe('resolved')
    expect(db.calls).toBe(calls)
    // Who logs in again has another token.
    expect((await two.auth.authenticate('ada-new', db.verify)).userId).toBe('ada')
    expect((await one.auth.authenticate('ada-new', db.verify)).userId).toBe('ada')
  })

  it('refuses JWTs from before it that no cache has seen, and takes those from after it', async () => {
    const [one, two] = [side(), side()]
    const db = source()
    const seconds = Math.floor(Date.now() / 1_000)
    await one.auth.revokeUser('ada')
    const codes = await Promise.all(
      [-3_600, -1, 0, 2].map((by) =>
        codeOf(two.auth.authenticate(jwt({ sub: 'ada', iat: seconds + by, jti: by }), db.verify)),
      ),
    )
    expect(codes).toEqual(['TOKEN_REVOKED', 'TOKEN_REVOKED', 'TOKEN_REVOKED', 'resolved'])
  })

  it('holds for a token that was seen with it, whatever a verifier says later', async () => {
    const options = { ttl: '50ms', staleWhileRevalidate: '10m' } as const
    const [one, two] = [side(options), side(options)]
    const db = source()
    await one.auth.authenticate('t', db.verify)
    const fetched = Date.now()
    await waitFor(() => Date.now() - fetched > 60)
    await two.auth.revokeUser('ada')
    expect(await codeOf(one.auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
    // Its record is gone or replaced by now: the verifier was asked behind, and said yes.
    await waitFor(() => db.calls === 2)
    const third = side(options)
    for (const { auth } of [one, two, third]) {
      expect(await codeOf(auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
    }
  })

  it('goes on where the newest stamp was lost', async () => {
    const { auth } = side()
    const db = source()
    await auth.revokeUser('ada')
    await server.command('DEL', 'corral:auth:{app:auth}:newest')
    expect((await auth.authenticate('new', db.verify)).userId).toBe('ada')
    await auth.revokeUser('ada')
    expect(await codeOf(auth.authenticate('new', db.verify))).toBe('TOKEN_REVOKED')
  })

  it('does not go back when the clock of the server does', async () => {
    const { auth } = side()
    const db = source()
    const ahead = String((Date.now() + 3_600_000) * 1_000)
    await server.command('SET', 'corral:auth:{app:auth}:newest', ahead)
    await auth.authenticate('t', db.verify)
    await auth.revokeUser('ada')
    const newest = Number(await server.command('GET', 'corral:auth:{app:auth}:newest'))
    expect(newest).toBe(Number(ahead) + 1)
    expect(await codeOf(auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
  })
})

describe('a revoked token', () => {
  it('stays revoked until its end, however short records live', async () => {
    const { auth } = side({ revocationTtl: '7d' })
    await auth.revokeToken(jwt({ sub: 'ada', exp: Date.now() / 1_000 + 86_400 }))
    await auth.revokeToken('opaque')
    const keys = ((await server.command('KEYS', 'corral:auth:*:t:*')) as string[]).toSorted()
    const ttls = await Promise.all(
      keys.map(async (key) => Number(await server.command('PTTL', key))),
    )
    ttls.sort((a, b) => a - b)
    expect(ttls[0]).toBeGreaterThan(86_400_000)
    expect(ttls[0]).toBeLessThan(2 * 86_400_000)
    expect(ttls[1]).toBeGreaterThan(6.9 * 86_400_000)
  })

  it('loses no life by a shorter revocation after it', async () => {
    await side({ revocationTtl: '30d' }).auth.revokeToken('opaque')
    await side({ revocationTtl: '7d' }).auth.revokeToken('opaque')
    const [key] = (await server.command('KEYS', 'corral:auth:*:t:*')) as [string]
    expect(await server.command('PTTL', key)).toBeGreaterThan(29 * 86_400_000)
  })

  it('is revoked before its time comes', async () => {
    const skewed = side({ clockSkew: '10s' }).auth
    const token = jwt({ sub: 'ada', nbf: Date.now() / 1_000 + 5 })
    await side().auth.revokeToken(token)
    expect(await codeOf(skewed.authenticate(token, source().verify))).toBe('TOKEN_REVOKED')
  })

  it('cannot be revoked into life: nor set, nor with another signature', async () => {
    const { auth } = side()
    const db = source()
    const token = jwt({ sub: 'ada' })
    await auth.authenticate(token, db.verify)
    await auth.revokeToken(token)
    expect(await auth.setToken(token, { userId: 'ada' })).toBe(false)
    const other = side().auth
    expect(await codeOf(other.authenticate(jwt({ sub: 'ada' }, 'other-key'), db.verify))).toBe(
      'TOKEN_REVOKED',
    )
  })

  it('is revoked while Redis is full', async () => {
    const { auth } = side()
    const other = side().auth
    const db = source()
    await auth.authenticate('t', db.verify)
    await auth.authenticate('u', db.verify)
    await server.command('CONFIG', 'SET', 'maxmemory', 1)
    try {
      await auth.revokeToken('t')
      await auth.revokeUser('ada')
      expect(await codeOf(other.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
      expect(await codeOf(other.authenticate('u', db.verify))).toBe('TOKEN_REVOKED')
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', 0)
    }
  })
})

describe.each(majors)('an outage, ioredis %s', (major) => {
  it('is told when a revocation is not acknowledged; here it holds, elsewhere once Redis is back', async () => {
    const proxy = await startProxy({ target: server })
    const cut = openSide(proxy, {}, '200ms', major)
    sides.push(cut)
    const other = side({}, major)
    const db = source((token) => (token.startsWith('bob') ? 'bob' : 'ada'))
    for (const token of ['t', 'ada-1', 'bob-1']) await cut.auth.authenticate(token, db.verify)
    await cut.auth.set('bob', { user: 'bob', userTenants: [] })
    proxy.blackHole()
    expect(await codeOf(cut.auth.revokeToken('t'))).toBe('REVOCATION_PENDING')
    expect(await codeOf(cut.auth.revokeUser('ada'))).toBe('REVOCATION_PENDING')
    // The verifier would say yes.
    expect(await codeOf(cut.auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
    expect(await codeOf(cut.auth.authenticate('ada-1', db.verify))).toBe('TOKEN_REVOKED')
    expect(await codeOf(cut.auth.authenticate('ada-2', db.verify))).toBe('TOKEN_REVOKED')
    expect(await codeOf(cut.auth.authenticate('bob-1', db.verify))).toBe('resolved')
    expect(await cut.auth.getToken('bob-1')).toBeUndefined()
    expect(await cut.auth.get('bob')).toBeUndefined()
    expect(await cut.auth.set('bob', { user: 'bob', userTenants: [] })).toBe(false)
    expect(await cut.auth.setToken('x')).toBe(false)
    expect(await codeOf(cut.auth.clear('bob'))).toBe('AUTH_UNAVAILABLE')
    expect(await codeOf(cut.auth.clearToken('bob-1'))).toBe('AUTH_UNAVAILABLE')
    // Nobody else can know yet.
    expect(await codeOf(other.auth.authenticate('t', db.verify))).toBe('resolved')
    await proxy.heal()
    await waitFor(
      async () => (await codeOf(other.auth.authenticate('t', db.verify))) === 'TOKEN_REVOKED',
    )
    await waitFor(
      async () => (await codeOf(other.auth.authenticate('ada-1', db.verify))) === 'TOKEN_REVOKED',
    )
    // What this process knows by itself it refuses at once, the rest once it can ask again.
    expect(await codeOf(cut.auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
    await waitFor(() => cut.connection.available)
    expect(await codeOf(cut.auth.authenticate('ada-1', db.verify))).toBe('TOKEN_REVOKED')
    // A login after it was acknowledged is good.
    await waitFor(
      async () => (await codeOf(cut.auth.authenticate('ada-3', db.verify))) === 'resolved',
    )
    await proxy.close()
  })

  it.each(['near: false', 'near'] as const)(
    'serves nothing from copies, %s: the verifier is asked, once at a time',
    async (tier) => {
      const proxy = await startProxy({ target: server })
      const cut = openSide(proxy, tier === 'near' ? { near: {} } : {}, '200ms', major)
      sides.push(cut)
      if (tier === 'near') await cut.connection.signals.whenOn(10_000)
      const other = side({}, major)
      const revoked = new Set<string>()
      const db = source((token) => (revoked.has(token) ? undefined : 'ada'))
      for (let i = 0; i < 3; i++) await cut.auth.authenticate('t', db.verify)
      expect(db.calls).toBe(1)
      proxy.blackHole()
      const cutAt = performance.now()
      revoked.add('t')
      await other.auth.revokeToken('t')
      const acknowledged = performance.now()
      let served = 0
      await waitFor(
        async () => {
          const code = await codeOf(cut.auth.authenticate('t', db.verify))
          if (code === 'resolved') served = performance.now()
          return code !== 'resolved'
        },
        { interval: 5 },
      )
      if (tier === 'near: false') expect(served).toBe(0)
      // A black hole tells nobody: the signals' own pulse finds out, each second, within the deadline.
      else expect(served - cutAt).toBeLessThan(3_000)
      if (process.env['CORRAL_MEASURE'] !== undefined && served > 0) {
        process.stderr.write(`cut off: served for ${(served - acknowledged).toFixed(0)} ms\n`)
      }
      const calls = db.calls
      const held = db.hold()
      const many = Array.from({ length: 100 }, () => codeOf(cut.auth.authenticate('u', db.verify)))
      ;(await held)()
      expect(new Set(await Promise.all(many))).toEqual(new Set(['resolved']))
      expect(db.calls).toBe(calls + 1)
      // No buffer: the next call asks again.
      await cut.auth.authenticate('u', db.verify)
      expect(db.calls).toBe(calls + 2)
      await proxy.close()
    },
  )

  it.each(tiers)(
    'of writes alone, %s: what this process revoked it refuses, though Redis says otherwise',
    async (tier) => {
      const cut = tier === 'near' ? await nearSide({}, major) : side({}, major)
      const other = side({}, major)
      const db = source((token) => (token.startsWith('bob') ? 'bob' : 'ada'))
      for (let i = 0; i < 3; i++) {
        for (const token of ['ada-1', 'bob-1']) await cut.auth.authenticate(token, db.verify)
      }
      await cut.auth.set('ada', { user: 1, userTenants: [] })
      await server.command('CONFIG', 'SET', 'min-replicas-to-write', 1)
      try {
        expect(await codeOf(cut.auth.revokeUser('ada'))).toBe('REVOCATION_PENDING')
        expect(await codeOf(cut.auth.authenticate('ada-1', db.verify))).toBe('TOKEN_REVOKED')
        expect(await cut.auth.get('ada')).toBeUndefined()
        expect(await codeOf(cut.auth.authenticate('bob-1', db.verify))).toBe('resolved')
      } finally {
        await server.command('CONFIG', 'SET', 'min-replicas-to-write', 0)
      }
      await waitFor(
        async () => (await codeOf(other.auth.authenticate('ada-1', db.verify))) === 'TOKEN_REVOKED',
      )
    },
  )

  it('that made Redis forget a revocation: who made it goes on refusing', async () => {
    const { auth } = side({}, major)
    const db = source()
    await auth.authenticate('t', db.verify)
    const [key] = (await server.command('KEYS', 'app:auth::t:*')) as [string]
    const record = String(await server.command('GET', key))
    await auth.revokeUser('ada')
    const [stamp] = (await server.command('KEYS', 'corral:auth:*:u:*')) as [string]
    await server.command('DEL', stamp)
    await server.command('SET', key, record, 'PX', 60_000)
    expect(await codeOf(auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
    expect(db.calls).toBe(1)
  })

  it('refuses when told to, and never asks the verifier then', async () => {
    const { auth, connection } = side({ onUnavailable: 'refuse' }, major)
    const db = source()
    await auth.authenticate('t', db.verify)
    connection.isolate()
    await expect(auth.authenticate('t', db.verify)).rejects.toMatchObject({
      code: 'AUTH_UNAVAILABLE',
      reason: 'redis',
    })
    await expect(auth.authenticate('u', db.verify)).rejects.toMatchObject({
      code: 'AUTH_UNAVAILABLE',
    })
    expect(db.calls).toBe(1)
    connection.reset()
    expect((await auth.authenticate('t', db.verify)).userId).toBe('ada')
  })

  it('that ends while the verifier is asked: a revocation of the meantime counts', async () => {
    const cut = side({}, major)
    const other = side({}, major)
    const db = source()
    cut.connection.isolate()
    const held = db.hold()
    const call = codeOf(cut.auth.authenticate('t', db.verify))
    const release = await held
    await other.auth.revokeToken('t')
    cut.connection.reset()
    release()
    expect(await call).toBe('TOKEN_REVOKED')
  })

  it('that ends for a moment while the verifier is asked: nobody can say who was revoked', async () => {
    const cut = side({}, major)
    const other = side({}, major)
    const db = source()
    cut.connection.isolate()
    let held = db.hold()
    const call = cut.auth.authenticate('t', db.verify)
    const release = await held
    await other.auth.revokeUser('ada')
    cut.connection.reset()
    // Newer than what it was asked with, so it is asked once more.
    held = db.hold()
    release()
    const releaseAgain = await held
    cut.connection.isolate()
    releaseAgain()
    await expect(call).rejects.toMatchObject({ code: 'AUTH_UNAVAILABLE', reason: 'redis' })
    cut.connection.reset()
    expect((await cut.auth.authenticate('t', db.verify)).userId).toBe('ada')
  })

  it('that begins while the verifier is asked: nothing is stored, and this process knows its own revocations', async () => {
    const cut = side({}, major)
    const db = source()
    const held = db.hold()
    const call = codeOf(cut.auth.authenticate('t', db.verify))
    const release = await held
    cut.connection.isolate()
    expect(await codeOf(cut.auth.revokeUser('ada'))).toBe('REVOCATION_PENDING')
    release()
    expect(await call).toBe('TOKEN_REVOKED')
    cut.connection.reset()
    await waitFor(
      async () => ((await server.command('KEYS', 'corral:auth:*:u:*')) as string[]).length === 1,
    )
  })
})
