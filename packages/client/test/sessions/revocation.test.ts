import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSessions, createSessionStore, type NewSession } from '../../src/index.ts'
import { type Bed, makeBed, type Mode } from './bed.ts'
import { interleaving } from './interleaving.ts'

/** What a request does with the sessions of its user. */
const acts = [
  'read',
  'touch',
  'write',
  'hold',
  'rotate',
  'write own',
  'touch own',
  'hold own',
  'rotate own',
  'delete own',
  'save store',
  'hold store',
  'touch store',
] as const

const trials = fc.record({
  requests: fc.array(fc.constantFrom(...acts), { minLength: 2, maxLength: 6 }),
  revokes: fc.integer({ min: 1, max: 2 }),
  picks: fc.array(fc.nat({ max: 1_000 }), { minLength: 12, maxLength: 24 }),
})
type Trial = typeof trials extends fc.Arbitrary<infer T> ? T : never

const AT_ONCE = 100
const full = process.env['CORRAL_PROOF'] === 'full'

describe.each<[Mode, number]>([
  ['standalone', full ? 10_000 : 2_000],
  ['cluster', full ? 10_000 : 500],
])('sessions under concurrent writes, %s', (mode, most) => {
  let bed: Bed
  let users = 0

  beforeAll(async () => {
    bed = await makeBed(mode)
  }, 120_000)
  afterAll(async () => {
    await bed.stop()
  })

  /** Revokes all of a user while requests use them, each step of each in an order of its own. */
  async function survivors({ requests, revokes, picks }: Trial): Promise<unknown[]> {
    const userId = `user:${users++}`
    const own = `own ${userId}`
    const [plain, turns] = [bed.connection, interleaving(bed.connection)]
    const before = createSessions({ connection: plain, namespace: 'app' })
    const { id } = await before.createSession({}, { userId })
    await before.setSession(own, { userId })
    const data = { userId, cookie: { maxAge: 60_000 } }
    const call = (
      store: ReturnType<typeof createSessionStore>,
      name: 'get' | 'set' | 'touch',
    ): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const done = (error: unknown, value?: unknown): void =>
          error == null ? resolve(value) : reject(error)
        if (name === 'get') store.get(own, done)
        else store[name](own, data, done)
      })
    await call(createSessionStore({ connection: plain, namespace: 'app' }), 'set')

    const during = createSessions({ connection: turns.connection, namespace: 'app' })
    const store = createSessionStore({ connection: turns.connection, namespace: 'app' })
    const known = [id, own]
    const noted = (made: NewSession | undefined): void => {
      if (made !== undefined) known.push(made.id)
    }
    const does: Record<(typeof acts)[number], () => Promise<unknown>> = {
      read: () => during.getSession(id),
      touch: () => during.touchSession(id),
      write: () => during.setSession(id, data),
      async hold() {
        if ((await during.getSession(id)) !== undefined) await during.setSession(id, data)
      },
      rotate: async () => noted(await during.rotateSession(id)),
      'write own': () => during.setSession(own, data),
      'touch own': () => during.touchSession(own),
      async 'hold own'() {
        if ((await during.getSession(own)) !== undefined) await during.setSession(own, data)
      },
      'rotate own': async () => noted(await during.rotateSession(own)),
      'delete own': () => during.deleteSession(own),
      'save store': () => call(store, 'set'),
      async 'hold store'() {
        if ((await call(store, 'get')) !== null) await call(store, 'set')
      },
      'touch store': () => call(store, 'touch'),
    }
    const revoke = (): Promise<unknown> => during.deleteUserSessions(userId)
    const all = [
      ...requests.map((name) => does[name]),
      ...Array.from({ length: revokes }, () => revoke),
    ]
    const results = await turns.run(all, picks)
    const found = await Promise.all([
      ...known.map((each) => before.getSession(each)),
      call(createSessionStore({ connection: plain, namespace: 'app' }), 'get'),
    ])
    return [
      ...results.filter((result) => result instanceof Error),
      ...found.filter((session) => session !== undefined && session !== null),
      ...(await before.listUserSessions(userId)),
    ]
  }

  it('do not survive, in whatever order the steps come', async () => {
    const batch = fc.array(trials, { minLength: AT_ONCE, maxLength: AT_ONCE, size: 'max' })
    await fc.assert(
      fc.asyncProperty(batch, async (each) => {
        const left = await Promise.all(each.map(survivors))
        for (const [n, one] of left.entries()) expect([each[n], one]).toEqual([each[n], []])
      }),
      { numRuns: most / AT_ONCE, endOnFailure: true },
    )
  })
})
