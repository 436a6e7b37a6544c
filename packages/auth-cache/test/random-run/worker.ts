import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { codeOf, openSide } from '../bed.ts'
import { EVERYBODY, serialOf, userOf, type Attempt, type Event } from './history.ts'

export interface Plan {
  readonly cache: { readonly host: string; readonly port: number }
  readonly db: { readonly host: string; readonly port: number }
  readonly seed: number
  readonly ms: number
  /** An auth cache as one would write it: deletes on revocation, and trusts its fills. */
  readonly naive: boolean
}

const USERS = 6
const CALLERS = 8

/** Another process may have raised it higher meanwhile. */
const raise = `
if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or 0) then redis.call('SET', KEYS[1], ARGV[1]) end`

/** The clock of the machine, the same in all processes. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6

runWorker<Plan, Event[]>(async ({ data: plan, index, barrier }) => {
  const near = index % 2 === 1
  const side = openSide(
    plan.cache,
    {
      ttl: '300ms',
      staleWhileRevalidate: '300ms',
      negativeTtl: '100ms',
      ...(near && { near: { maxEntries: 100 } }),
    },
    '200ms',
    index < 2 ? 6 : 5,
  )
  const db = new Redis(plan.db.port, plan.db.host)
  const events: Event[] = []
  let state = plan.seed * 7919 + index * 104_729 + 1
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return Math.floor((state / 0x80000000) * below)
  }
  const user = (): string => `u${random(USERS)}`
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Reads what the source says now, and gives it a while later. */
  async function verify(token: string): Promise<{ userId: string } | undefined> {
    const [gone, ...standing] = await db.mget(
      `gone:${token}`,
      `user:${userOf(token)}`,
      `user:${EVERYBODY}`,
    )
    await turns(random(200))
    return gone !== null || standing.some((serial) => serialOf(token) < Number(serial ?? 0))
      ? undefined
      : { userId: userOf(token) }
  }

  const naive = {
    async authenticate(token: string, ask: typeof verify) {
      const found = await side.cache.get(`${userOf(token)}:${token}`)
      if (found !== undefined) return found
      const who = await ask(token)
      if (who === undefined) throw Object.assign(new Error('invalid'), { code: 'TOKEN_INVALID' })
      await side.cache.set(`${userOf(token)}:${token}`, who, '1s')
      return who
    },
    revokeToken: (token: string) => side.cache.delete(`${userOf(token)}:${token}`),
    revokeUser: (name: string) => side.cache.deletePattern(name),
    revokeAll: () => side.cache.clear(),
    getToken: async (token: string) =>
      (await side.cache.has(`${userOf(token)}:${token}`)) ? token : undefined,
  }
  const auth = plan.naive ? naive : side.auth

  async function login(): Promise<void> {
    const name = user()
    // The number that a token is issued under; a user's revocation stands above all before it.
    const serial = await db.incr('serial')
    await db.lpush(`tokens:${name}`, `${name}-${serial}-${now()}`)
    await db.ltrim(`tokens:${name}`, 0, 3)
  }

  async function attempt(): Promise<void> {
    const tokens = await db.lrange(`tokens:${user()}`, 0, -1)
    const token = tokens[random(tokens.length)]
    if (token === undefined) return
    const issued = Number(token.split('-')[2])
    let verified: number | undefined
    const start = now()
    const outcome = await codeOf(
      auth.authenticate(token, async (given) => {
        const who = await verify(given)
        verified = now()
        return who
      }),
    )
    const event: Attempt = {
      kind: 'attempt',
      worker: index,
      token,
      start,
      end: now(),
      outcome,
      verified,
      issued,
    }
    events.push(event)
  }

  /** A token that is not known is no wrong: nobody was asked whether it is good. */
  async function look(): Promise<void> {
    const tokens = await db.lrange(`tokens:${user()}`, 0, -1)
    const token = tokens[random(tokens.length)]
    if (token === undefined) return
    const start = now()
    const outcome = (await auth.getToken(token)) === undefined ? 'unknown' : 'resolved'
    events.push({
      kind: 'attempt',
      worker: index,
      token,
      start,
      end: now(),
      outcome,
      verified: undefined,
      issued: Number(token.split('-')[2]),
    })
  }

  async function revoke(): Promise<void> {
    const everybody = random(12) === 0
    const name = everybody ? EVERYBODY : user()
    const start = now()
    if (everybody || random(2) === 0) {
      const serial = await db.incr('serial')
      await db.eval(raise, 1, `user:${name}`, serial)
      const code = await codeOf(everybody ? auth.revokeAll() : auth.revokeUser(name))
      events.push({
        kind: everybody ? 'all' : 'user',
        target: name,
        serial,
        start,
        acknowledged: code === 'resolved' ? now() : undefined,
      })
      return
    }
    const tokens = await db.lrange(`tokens:${name}`, 0, -1)
    const token = tokens[random(tokens.length)]
    if (token === undefined) return
    await db.set(`gone:${token}`, 1)
    const code = await codeOf(auth.revokeToken(token))
    events.push({
      kind: 'token',
      target: token,
      serial: 0,
      start,
      acknowledged: code === 'resolved' ? now() : undefined,
    })
  }

  if (near) await side.connection.signals.whenOn(20_000)
  await barrier('ready')
  const end = now() + plan.ms
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (now() < end) {
        const dice = random(100)
        if (dice < 3) await revoke()
        else if (dice < 8) await login()
        else if (dice < 20) await look()
        else await attempt()
      }
    }),
  )
  await side.end()
  db.disconnect()
  return events
})
