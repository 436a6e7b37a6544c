import { readFileSync, readdirSync } from 'node:fs'
import { channel } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { inspect } from 'node:util'
import type { ConnectionEvents } from '@corral/connection'
import type { CoreEvents } from '@corral/core'
import { monitor, startProxy, startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { AuthCache, AuthCacheEvents } from '../src/index.ts'
import { jwt, openSide } from './bed.ts'

/** Every channel that Corral tells of this package's work by; the compiler misses none. */
const channels = Object.keys({
  'corral:auth-cache:authenticate': true,
  'corral:auth-cache:revoke': true,
  'corral:auth-cache:tampered': true,
  'corral:core:hit': true,
  'corral:core:hits': true,
  'corral:core:near-hit': true,
  'corral:core:near-sample': true,
  'corral:core:miss': true,
  'corral:core:set': true,
  'corral:core:delete': true,
  'corral:core:load': true,
  'corral:core:lease-wait': true,
  'corral:core:invalidate': true,
  'corral:core:error': true,
  'corral:core:coalesced': true,
  'corral:core:outage-hit': true,
  'corral:connection:command': true,
  'corral:connection:breaker': true,
  'corral:connection:state': true,
  'corral:connection:signals': true,
  'corral:connection:warning': true,
} satisfies Record<keyof (AuthCacheEvents & CoreEvents & ConnectionEvents), true>)

let server: TestRedis
beforeAll(async () => {
  // Everything is slow, so that SLOWLOG has everything.
  server = await startRedis({
    prefer: 'binary',
    args: ['--slowlog-log-slower-than', '0', '--slowlog-max-len', '100000', '--appendonly', 'yes'],
  })
})
afterAll(() => server.stop())

const opaque = 'canary-opaque-1f8c02d7ab'
const canaries = {
  good: opaque,
  signed: jwt({ sub: 'ada', jti: 'canary' }),
  bad: 'canary-bad-93c1a7e0ff',
  failing: 'canary-failing-77aa01bc',
  // As JSON writes it, it looks different.
  quoted: 'canary-"quoted"-\\-4417ab90cd',
  short: 'canary-short-1',
  known: 'canary-known-5512cd90ee',
  malformed: `${jwt({ sub: 'x' })}.canary`,
  ended: jwt({ sub: 'ada', exp: 1 }),
  huge: `canary-huge-${'9'.repeat(9_000)}`,
}
const pepper = 'canary-pepper-0011223344556677'

/** What would give a canary away: itself, or a good part of it, as text or in another base. */
function traces(): string[] {
  const all = [...Object.values(canaries), pepper]
  all.push(...all.map((secret) => JSON.stringify(secret).slice(1, -1)))
  return all.flatMap((secret) => {
    const tail = secret.slice(-16)
    const parts = [secret, secret.slice(0, 80), tail]
    if (secret.startsWith('eyJ')) parts.push(secret.split('.')[2] as string)
    return [...parts, Buffer.from(secret).toString('hex'), Buffer.from(tail).toString('base64')]
  })
}

function leaks(text: string): string[] {
  return traces().filter((trace) => text.includes(trace))
}

async function exercise(auth: AuthCache, seen: (error: unknown) => void): Promise<void> {
  const verify = async (token: string) => {
    if (token === canaries.failing) {
      throw Object.assign(new Error(`no answer for ${token}`), {
        name: token,
        code: token,
        request: { headers: { authorization: `Bearer ${token}` } },
        cause: new Error(token),
      })
    }
    if (token === canaries.bad) throw Object.assign(new Error(token), { name: 'JsonWebTokenError' })
    return { userId: 'ada', role: 'member' }
  }
  const attempt = (work: () => Promise<unknown>): Promise<void> => work().then(() => {}, seen)
  for (const token of Object.values(canaries)) {
    for (let i = 0; i < 2; i++) await attempt(() => auth.authenticate(token, verify))
    await attempt(() => auth.setToken(token, { userId: 'ada' }))
    await attempt(() => auth.getToken(token))
    await attempt(() => auth.authenticate(token, async () => ({ userId: 'ada', token })))
    await attempt(() => auth.authenticate(token, (async () => ({ userId: 5 })) as never))
    await attempt(() =>
      auth.authenticate(token, async () => ({
        get userId(): string {
          throw new Error(token)
        },
      })),
    )
    await attempt(() =>
      auth.authenticate(token, async () => {
        throw Object.defineProperty({}, 'name', {
          get: () => {
            throw new Error(token)
          },
        })
      }),
    )
    await attempt(() => auth.clearToken(token))
    await attempt(() => auth.authenticate(token, verify))
  }
  await attempt(() => auth.set('ada', { user: 'ada', userTenants: [] }))
  await attempt(() => auth.revokeUser('ada'))
  for (const token of Object.values(canaries)) {
    await attempt(() => auth.revokeToken(token))
    await attempt(() => auth.authenticate(token, verify))
  }
  await attempt(() => auth.revokeAll())
}

it.each([
  ['SHA-256', undefined],
  ['HMAC with a pepper', pepper],
  ['two peppers', ['another-pepper-0123456789', pepper]],
] as const)('no token is anywhere: %s', async (_name, peppers) => {
  await server.command('FLUSHALL')
  await server.command('SLOWLOG', 'RESET')
  const told: string[] = []
  const listen = (message: unknown, name: string | symbol): void => {
    told.push(`${String(name)} ${inspect(message, { depth: 10 })}`)
  }
  for (const name of channels) channel(name).subscribe(listen)
  const errors: unknown[] = []
  const proxy = await startProxy({ target: server })
  await using watch = await monitor(server)
  const options = peppers === undefined ? {} : { pepper: peppers }
  const side = openSide(proxy, { ...options, near: {} }, '200ms')
  try {
    await exercise(side.auth, (error) => errors.push(error))
    const commands = await watch.commands({ lua: true })
    proxy.blackHole()
    await exercise(side.auth, (error) => errors.push(error))
    await proxy.heal()
    // Something was there to leak into each.
    const codes = new Set(errors.map((error) => (error as { code?: string }).code))
    expect(codes).toContain('TOKEN_INVALID')
    expect(codes).toContain('TOKEN_REVOKED')
    expect(codes).toContain('AUTH_UNAVAILABLE')
    expect(codes).toContain('REVOCATION_PENDING')
    expect(commands.length).toBeGreaterThan(50)
    expect(told.length).toBeGreaterThan(50)

    expect(leaks(commands.map(({ name, args }) => [name, ...args].join(' ')).join('\n'))).toEqual(
      [],
    )
    expect(leaks(told.join('\n'))).toEqual([])
    const shown = errors.map((error) =>
      [
        inspect(error, { depth: 10, showHidden: true }),
        JSON.stringify(error, Object.getOwnPropertyNames(error as object)),
        String(error),
        (error as Error).stack,
        inspect((error as Error).cause, { depth: 10, showHidden: true }),
      ].join('\n'),
    )
    expect(leaks(shown.join('\n'))).toEqual([])
    expect(leaks(inspect(side.auth, { depth: 10, showHidden: true }))).toEqual([])

    expect(
      leaks(
        inspect(await server.command('SLOWLOG', 'GET', -1), {
          depth: 10,
          maxArrayLength: null,
          maxStringLength: null,
        }),
      ),
    ).toEqual([])
    await server.command('SAVE')
    const [, dir] = (await server.command('CONFIG', 'GET', 'dir')) as [string, string]
    const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    )
    const names = files.map(({ name }) => name)
    expect(names.some((name) => name.endsWith('.rdb'))).toBe(true)
    expect(names.some((name) => name.includes('.aof'))).toBe(true)
    const disk = files
      .map((file) => readFileSync(join(file.parentPath, file.name), 'latin1'))
      .join('\n')
    expect(disk).toContain('corral:auth:')
    expect(leaks(disk)).toEqual([])
  } finally {
    for (const name of channels) channel(name).unsubscribe(listen)
    await side.end()
    await proxy.close()
  }
})

it('the search finds what is there', async () => {
  await server.command('SET', 'app:auth::t:x', canaries.good)
  expect(leaks(String(await server.command('GET', 'app:auth::t:x')))).toContain(opaque)
  expect(leaks(`..${canaries.signed.slice(0, 90)}..`)).not.toEqual([])
  expect(leaks(Buffer.from(canaries.bad).toString('hex'))).not.toEqual([])
})
