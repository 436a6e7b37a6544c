import { startRedis, type TestRedis } from '@corral/testing'
import fastify, { type FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authPlugin, type AuthPluginOptions } from '../src/fastify/index.ts'
import { jwt, openSide, type Side } from './bed.ts'

let server: TestRedis
let side: Side
let app: FastifyInstance

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await server.command('FLUSHALL')
  side = openSide(server)
})
afterEach(async () => {
  await app.close()
  await side.end()
})

async function serve(options: Partial<AuthPluginOptions> = {}): Promise<{ calls: number }> {
  const counts = { calls: 0 }
  app = fastify()
  await app.register(authPlugin, {
    auth: side.auth,
    verify: async (token: string) => {
      counts.calls++
      if (token === 'down') throw new Error('down')
      if (token === 'broken') return { userId: '' }
      return token.startsWith('ada') || token.startsWith('eyJ')
        ? { userId: 'ada', role: 'admin' }
        : undefined
    },
    ...options,
  })
  app.get('/me', { preHandler: app.authenticate }, (request) => request.identity)
  app.get('/config', { config: { auth: true } }, (request) => request.identity)
  app.get('/maybe', { config: { auth: 'optional' } }, (request) => ({ who: request.identity }))
  app.get('/open', { config: { auth: false } }, (request) => ({ who: request.identity }))
  app.get('/plain', (request) => ({ who: request.identity }))
  await app.ready()
  return counts
}

async function ask(url: string, authorization?: string) {
  const response = await app.inject({
    url,
    headers: authorization === undefined ? {} : { authorization },
  })
  return { status: response.statusCode, headers: response.headers, body: response.json<unknown>() }
}

describe('the plugin', () => {
  it('lets authenticated requests through, and asks the verifier once', async () => {
    const counts = await serve()
    for (const header of ['Bearer ada-1', 'bearer ada-1', 'BEARER  ada-1 ']) {
      expect(await ask('/me', header)).toMatchObject({
        status: 200,
        body: { userId: 'ada', role: 'admin' },
      })
    }
    expect(await ask('/config', 'Bearer ada-1')).toMatchObject({ status: 200 })
    expect(counts.calls).toBe(1)
  })

  it('answers 401 as RFC 6750 has it', async () => {
    const counts = await serve()
    for (const header of [
      undefined,
      '',
      'Bearer',
      'Basic YTpi',
      'Bearer a b',
      'Bearer ada-1, Bearer ada-2',
    ]) {
      const { status, headers, body } = await ask('/me', header)
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('Bearer')
      expect(headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(body).toMatchObject({ status: 401, title: 'Unauthorized' })
    }
    expect(counts.calls).toBe(0)
    for (const header of [
      'Bearer bob',
      `Bearer ${jwt({ exp: 1 })}`,
      `Bearer ${'x'.repeat(10_000)}`,
    ]) {
      const { status, headers } = await ask('/me', header)
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('Bearer error="invalid_token"')
    }
    expect(counts.calls).toBe(1)
    await ask('/me', 'Bearer ada-1')
    await side.auth.revokeToken('ada-1')
    expect((await ask('/me', 'Bearer ada-1')).status).toBe(401)
  })

  it('answers 503 when nobody can say, and 500 for a bug', async () => {
    await serve()
    const { status, headers } = await ask('/me', 'Bearer down')
    expect(status).toBe(503)
    expect(headers['retry-after']).toBe('1')
    expect(headers['www-authenticate']).toBeUndefined()
    expect((await ask('/me', 'Bearer broken')).status).toBe(500)
  })

  it('lets a route say what it needs', async () => {
    await serve()
    expect(await ask('/maybe')).toMatchObject({ status: 200, body: { who: null } })
    expect(await ask('/maybe', 'Bearer ada-1')).toMatchObject({ body: { who: { userId: 'ada' } } })
    expect((await ask('/maybe', 'Bearer bob')).status).toBe(401)
    expect(await ask('/open', 'Bearer bob')).toMatchObject({ status: 200, body: { who: null } })
    expect(await ask('/plain')).toMatchObject({ status: 200 })
  })

  it('covers all routes when global, those of other plugins too', async () => {
    await serve({ global: true })
    expect((await ask('/plain')).status).toBe(401)
    expect((await ask('/open')).status).toBe(200)
    expect((await ask('/maybe')).status).toBe(200)
    expect((await ask('/nowhere')).status).toBe(404)
    expect(await ask('/plain', 'Bearer ada-1')).toMatchObject({
      status: 200,
      body: { who: { userId: 'ada' } },
    })
  })

  it('takes the token from where it is told', async () => {
    await serve({ token: (request) => request.headers['x-token'] as string | undefined })
    const response = await app.inject({ url: '/me', headers: { 'x-token': 'ada-9' } })
    expect(response.statusCode).toBe(200)
    expect((await ask('/me', 'Bearer ada-1')).status).toBe(401)
  })
})
