import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import { waitFor } from '@corral/testing'
import expressSession from 'express-session'
import fastify, { type FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSessions, createSessionStore, type SessionStore } from '../../src/index.ts'
import { sessionPlugin } from '../../src/fastify/index.ts'
import { type Bed, makeBed, type Mode } from './bed.ts'

const SECRET = 'a secret with at least thirty-two letters in it'

/** A store's method as a promise. */
function call<T = unknown>(run: (done: (error?: unknown, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    run((error, value) => (error == null ? resolve(value as T) : reject(error)))
  })
}

const get = (store: SessionStore, sid: string): Promise<unknown> =>
  call((done) => store.get(sid, done))
const set = (store: SessionStore, sid: string, session: object): Promise<unknown> =>
  call((done) => store.set(sid, session, done))
const length = (store: SessionStore): Promise<number> => call<number>((done) => store.length(done))
const all = (store: SessionStore): Promise<unknown[]> => call<unknown[]>((done) => store.all(done))

describe.each<Mode>(['standalone', 'cluster'])('session store, %s', (mode) => {
  let bed: Bed
  let store: SessionStore

  beforeAll(async () => {
    bed = await makeBed(mode)
  }, 120_000)
  afterAll(async () => {
    await bed.stop()
  })
  beforeEach(() => {
    store = createSessionStore({ connection: bed.connection, namespace: 'app' })
  })
  afterEach(async () => {
    await bed.flush()
  })

  const cookie = { maxAge: 60_000, originalMaxAge: 60_000 }

  it('does what connect-style stores do', async () => {
    expect(await get(store, 'nobody')).toBeNull()
    await set(store, 'a', { cookie, views: 1 })
    expect(await get(store, 'a')).toEqual({ cookie, views: 1 })
    await set(store, 'a', { cookie, views: 2 })
    await set(store, 'b', { cookie, foo: { bar: ['ü'] } })
    expect(await length(store)).toBe(2)
    expect(await all(store)).toEqual(
      expect.arrayContaining([
        { cookie, views: 2 },
        { cookie, foo: { bar: ['ü'] } },
      ]),
    )
    await call((done) => store.destroy('a', done))
    await call((done) => store.destroy('nobody', done))
    expect(await get(store, 'a')).toBeNull()
    expect(await length(store)).toBe(1)
    await call((done) => store.clear(done))
    expect(await length(store)).toBe(0)
    expect(await all(store)).toEqual([])
    // Without a callback nothing may break.
    store.set('c', { cookie })
    await waitFor(async () => (await get(store, 'c')) !== null)
    store.touch('c', { cookie })
    store.destroy('c')
    await waitFor(async () => (await get(store, 'c')) === null)
  })

  it('walks through many, and leaves alone what is not its own', async () => {
    const others = createSessionStore({ connection: bed.connection, namespace: 'app:v2' })
    const native = createSessions({ connection: bed.connection, namespace: 'app' })
    await set(others, 'x', { cookie })
    const { id } = await native.createSession({})
    await Promise.all(Array.from({ length: 350 }, (_, n) => set(store, `sid-${n}`, { cookie, n })))
    expect(await length(store)).toBe(350)
    const seen = (await all(store)) as { n: number }[]
    expect(seen.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual([...Array(350).keys()])
    await call((done) => store.clear(done))
    expect(await length(store)).toBe(0)
    expect(await length(others)).toBe(1)
    expect(await native.getSession(id)).toEqual({})
  })

  it('keeps a session as long as its cookie says, and longer when touched', async () => {
    const key = async (): Promise<string> => (await bed.keys()).find((k) => k.includes(':id:'))!
    // Its key stays for another minute, so that no request that outlives it begins it anew.
    const ttl = async (): Promise<number> =>
      Number(await bed.connection.read({ name: 'PTTL', key: await key() })) - 60_000
    await set(store, 'a', { cookie: { maxAge: 5_000 } })
    expect(await ttl()).toBeLessThanOrEqual(5_000)
    expect(await ttl()).toBeGreaterThan(3_000)
    await call((done) => store.touch('a', { cookie: { maxAge: 90_000 } }, done))
    expect(await ttl()).toBeGreaterThan(80_000)
    await set(store, 'a', { cookie: { expires: new Date(Date.now() + 20_000) } })
    expect(await ttl()).toBeLessThanOrEqual(20_500)
    await set(store, 'a', { cookie: {} })
    expect(await ttl()).toBeGreaterThan(86_000_000)
    await set(store, 'a', { cookie: { maxAge: 0 } })
    expect(await get(store, 'a')).toBeNull()
    await call((done) => store.touch('nobody', { cookie }, done))
    expect(await get(store, 'nobody')).toBeNull()
  })

  it('is not brought back by a request that saves what another has destroyed', async () => {
    await set(store, 'a', { cookie, views: 1 })
    await call((done) => store.destroy('a', done))
    await set(store, 'a', { cookie, views: 2 })
    await call((done) => store.touch('a', { cookie }, done))
    expect(await get(store, 'a')).toBeNull()
    expect(await length(store)).toBe(0)
  })

  it('is not begun anew by a request that outlives it and saves it, so it ends at the latest when it must', async () => {
    const short = createSessionStore(
      { connection: bed.connection, namespace: 'app' },
      { absoluteTtl: '1s' },
    )
    const native = createSessions({ connection: bed.connection, namespace: 'app' })
    await set(short, 'absolute', { cookie, userId: 7 })
    await set(store, 'unused', { cookie: { maxAge: 1_000 }, userId: 7 })
    const [first] = await native.listUserSessions('7')
    expect(Math.abs(first!.expiresAt - Date.now() - 1_000)).toBeLessThan(900)
    for (const [from, sid] of [
      [short, 'absolute'],
      [store, 'unused'],
    ] as const) {
      await waitFor(async () => (await get(from, sid)) === null)
      await set(from, sid, { cookie, userId: 7 })
      await call((done) => from.touch(sid, { cookie }, done))
      expect(await get(from, sid)).toBeNull()
    }
    expect(await length(store)).toBe(0)
    expect(await native.listUserSessions('7')).toEqual([])
  })

  it('ends with all others of its user', async () => {
    const native = createSessions({ connection: bed.connection, namespace: 'app' })
    await set(store, 'anonymous', { cookie })
    await set(store, 'a', { cookie })
    await set(store, 'a', { cookie, userId: 7 })
    await set(store, 'b', { cookie, userId: '7' })
    await set(store, 'c', { cookie, userId: '77' })
    const list = await native.listUserSessions('7')
    expect(list).toHaveLength(2)
    expect(await native.deleteUserSession('7', list[0]!.handle)).toBe(true)
    await native.deleteUserSessions('7')
    await set(store, 'a', { cookie, userId: 7 })
    expect([await get(store, 'a'), await get(store, 'b')]).toEqual([null, null])
    expect(await get(store, 'c')).not.toBeNull()
    expect(await get(store, 'anonymous')).not.toBeNull()
    expect(await length(store)).toBe(2)
    await set(store, 'new', { cookie, userId: 7 })
    expect(await get(store, 'new')).not.toBeNull()
    // Nor by requests that were under way: one takes the user out, the other puts it in again.
    for (const userId of [undefined, 8, 7]) {
      await set(store, 'b', { cookie, userId })
      expect(await get(store, 'b')).toBeNull()
    }
    // While it is nobody else's business who logs out and in again.
    for (const userId of [undefined, 8, 7]) {
      await set(store, 'new', { cookie, userId })
      expect(await get(store, 'new')).toMatchObject(userId === undefined ? {} : { userId })
    }
  })

  it('writes no id into Redis', async () => {
    await set(store, 'a-rather-secret-id', { cookie })
    expect(await bed.dump()).not.toContain('a-rather-secret-id')
  })

  describe('under @fastify/session', () => {
    let app: FastifyInstance

    beforeEach(async () => {
      app = fastify()
      await app.register(fastifyCookie)
      await app.register(sessionPlugin, {
        plugin: fastifySession,
        secret: SECRET,
        store,
        cookie: { secure: false, maxAge: 60_000 },
        saveUninitialized: false,
      })
      const data = (request: { session: unknown }): { views?: number; userId?: string } =>
        request.session as never
      app.get('/count', (request) => {
        data(request).views = (data(request).views ?? 0) + 1
        return { views: data(request).views }
      })
      app.get('/login', async (request) => {
        await request.session.regenerate()
        data(request).userId = '42'
        return { ok: true }
      })
      app.get('/who', (request) => ({ userId: data(request).userId ?? null }))
      app.get('/logout', async (request) => {
        await request.session.destroy()
        return { ok: true }
      })
    })
    afterEach(async () => {
      await app.close()
    })

    async function visit(
      url: string,
      cookies: Record<string, string>,
    ): Promise<Record<string, unknown>> {
      const response = await app.inject({ url, cookies })
      expect(response.statusCode).toBe(200)
      for (const { name, value } of response.cookies) cookies[name] = value
      return response.json()
    }

    it('counts, logs in under a new id, logs out, logs out everywhere', async () => {
      const phone: Record<string, string> = {}
      const laptop: Record<string, string> = {}
      expect(await visit('/count', phone)).toEqual({ views: 1 })
      expect(await visit('/count', phone)).toEqual({ views: 2 })
      const before = { ...phone }
      await visit('/login', phone)
      await visit('/login', laptop)
      expect(phone['sessionId']).not.toBe(before['sessionId'])
      expect(await visit('/who', phone)).toEqual({ userId: '42' })
      expect(await visit('/who', { ...before })).toEqual({ userId: null })
      await visit('/logout', { ...phone })
      expect(await visit('/who', { ...phone })).toEqual({ userId: null })
      expect(await visit('/who', { ...laptop })).toEqual({ userId: '42' })
      const native = createSessions({ connection: bed.connection, namespace: 'app' })
      await native.deleteUserSessions('42')
      expect(await visit('/who', { ...laptop })).toEqual({ userId: null })
    })
  })

  describe('under express-session', () => {
    let http: Server
    let url: string

    beforeEach(async () => {
      const middleware = expressSession({
        secret: SECRET,
        resave: false,
        saveUninitialized: false,
        rolling: true,
        cookie: { maxAge: 60_000 },
        store: createSessionStore(
          { connection: bed.connection, namespace: 'app' },
          { Store: expressSession.Store },
        ),
      })
      http = createServer((request, response) => {
        middleware(request as never, response as never, (error: unknown) => {
          if (error !== undefined) {
            response.statusCode = 500
            response.end(JSON.stringify(error))
            return
          }
          const held = request as unknown as {
            session: {
              views?: number
              regenerate(done: () => void): void
              destroy(done: () => void): void
            }
          }
          if (request.url === '/regenerate')
            return held.session.regenerate(() => response.end('ok'))
          if (request.url === '/destroy') return held.session.destroy(() => response.end('ok'))
          held.session.views = (held.session.views ?? 0) + 1
          response.end(String(held.session.views))
        })
      })
      await new Promise<void>((resolve) => void http.listen(0, '127.0.0.1', resolve))
      url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    })
    afterEach(async () => {
      await new Promise((resolve) => void http.close(resolve))
    })

    it('counts, regenerates, destroys', async () => {
      let held = ''
      const visit = async (path: string): Promise<string> => {
        const response = await fetch(url + path, { headers: { cookie: held, connection: 'close' } })
        held = response.headers.get('set-cookie')?.split(';')[0] ?? held
        expect(response.status).toBe(200)
        return response.text()
      }
      expect(await visit('/')).toBe('1')
      expect(await visit('/')).toBe('2')
      const before = held
      await visit('/regenerate')
      expect(await visit('/')).toBe('1')
      await visit('/destroy')
      expect(await visit('/')).toBe('1')
      held = before
      expect(await visit('/')).toBe('1')
    })
  })
})

describe('a session store with Redis frozen', () => {
  it('tells the callback an error in time; back, sessions are as they were', async () => {
    const bed = await makeBed('standalone')
    try {
      const store = createSessionStore({ connection: bed.connection, namespace: 'app' })
      await set(store, 'a', { cookie: { maxAge: 60_000 }, views: 1 })
      await bed.server.pause()
      try {
        for (const work of [get(store, 'a'), set(store, 'a', { views: 2 }), length(store)]) {
          await expect(work).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
        }
      } finally {
        await bed.server.resume()
      }
      expect(await waitFor(() => get(store, 'a'))).toMatchObject({ views: 1 })
    } finally {
      await bed.stop()
    }
  })
})
