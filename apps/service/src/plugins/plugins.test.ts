import { connect } from 'node:net'
import { once } from 'node:events'
import { fastify, type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { registerApiKey } from './api-key.ts'
import { registerMethodNotAllowed } from './method-not-allowed.ts'
import { answerBrokenRequest, Problem, registerProblems, sendProblem } from './problem.ts'

const key = 'the-key-of-this-test'
let app: FastifyInstance

beforeEach(async () => {
  app = fastify({
    bodyLimit: 1024,
    routerOptions: { maxParamLength: 300 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
  })
  registerProblems(app)
  registerApiKey(app, key)
  const closeMethods = registerMethodNotAllowed(app)
  await app.register(async (routes) => {
    routes.get('/things/:id', async () => ({ ok: true }))
    routes.post('/things', {
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          required: ['name'],
          properties: { name: { type: 'string', maxLength: 5 } },
        },
      },
      handler: async () => ({ ok: true }),
    })
    routes.post('/open', { config: { public: true } }, async () => ({ ok: true }))
    routes.get('/teapot', async () => {
      throw new Problem(418, 'Short and stout.', {
        members: { spout: 1 },
        headers: { 'retry-after': '1' },
      })
    })
    routes.get('/broken', async () => {
      throw new Error('canary: password=hunter2')
    })
    routes.get('/broken-client-error', async () => {
      throw Object.assign(new Error('canary: password=hunter2'), { statusCode: 400 })
    })
  })
  closeMethods()
  await app.ready()
})

afterEach(() => app.close())

const headers = { 'x-api-key': key }

function post(payload: string | object, extra: Record<string, string> = {}) {
  return app.inject({
    method: 'POST',
    url: '/things',
    headers: { ...headers, 'content-type': 'application/json', ...extra },
    payload,
  })
}

describe('problem documents', () => {
  it('carry the details, members and headers of a Problem', async () => {
    const response = await app.inject('/teapot')
    expect(response.statusCode).toBe(418)
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(response.headers['retry-after']).toBe('1')
    expect(response.json()).toEqual({
      type: 'about:blank',
      title: "I'm a Teapot",
      status: 418,
      detail: 'Short and stout.',
      requestId: expect.any(String),
      spout: 1,
    })
  })

  it.each(['/broken', '/broken-client-error'])(
    'tell nothing of an error inside (%s)',
    async (url) => {
      const response = await app.inject(url)
      expect(response.statusCode).toBe(500)
      expect(response.headers['content-type']).toContain('application/problem+json')
      expect(response.body).not.toMatch(/canary|hunter2|at /)
    },
  )

  it.each([
    ['an unknown member', { name: 'a', extra: 1 }, '', "must not have 'extra'"],
    ['a wrong type', { name: 1 }, '/name', 'must be string'],
    ['a missing member', {}, '', "must have required property 'name'"],
    [
      'a value that is too long',
      { name: 'canary' },
      '/name',
      'must NOT have more than 5 characters',
    ],
  ])('say what is wrong with %s', async (_, payload, pointer, detail) => {
    const response = await post(payload)
    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({
      status: 400,
      errors: [{ in: 'body', pointer, detail }],
    })
    expect(response.body).not.toContain('canary')
  })

  it.each([
    ['malformed JSON', () => post('{"name":'), 400],
    ['__proto__', () => post('{"__proto__":{"a":1}}'), 400],
    ['an empty body', () => post(''), 400],
    ['another media type', () => post('<a/>', { 'content-type': 'text/xml' }), 415],
    ['a large body', () => post(`{"name":"${'x'.repeat(2000)}"}`), 413],
    ['a bad encoding', () => app.inject('/things/%zz'), 400],
    ['a very long part', () => app.inject(`/things/${'x'.repeat(301)}`), 414],
    ['an unknown address', () => app.inject('/nothing'), 404],
    ['an unknown address to write to', () => app.inject({ url: '/nothing', method: 'POST' }), 404],
  ])('answer %s', async (_, request, status) => {
    const response = await request()
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(response.json()).toMatchObject({ status })
    expect(response.statusCode).toBe(status)
  })

  it('answer even what is not HTTP', async () => {
    await app.listen({ port: 0, host: '127.0.0.1' })
    const address = app.server.address()
    if (address === null || typeof address === 'string') throw new Error('not a TCP address')
    const socket = connect(address.port, '127.0.0.1')
    socket.write('nonsense\r\n\r\n')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(socket, 'close')
    const text = Buffer.concat(chunks).toString()
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(text).toContain('application/problem+json')
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status: 400 })
  })
})

describe('methods', () => {
  it('says which ones an address answers to, whatever the body', async () => {
    const response = await app.inject({
      method: 'DELETE',
      url: '/things/1',
      headers: { 'content-type': 'text/xml' },
      payload: '<a/>',
    })
    expect(response.statusCode).toBe(405)
    expect(response.headers['allow']).toBe('GET, HEAD')
    expect(response.json()).toMatchObject({ status: 405, title: 'Method Not Allowed' })
  })

  it('leaves the right ones alone', async () => {
    expect((await app.inject('/things/1')).statusCode).toBe(200)
    expect((await app.inject({ method: 'HEAD', url: '/things/1' })).statusCode).toBe(200)
    expect((await app.inject('/things')).headers['allow']).toBe('POST')
  })
})

describe('the API key', () => {
  it('is wanted on what mutates, before the body is looked at', async () => {
    const response = await post('{', { 'x-api-key': '' })
    expect(response.statusCode).toBe(401)
    expect(response.headers['www-authenticate']).toBe('ApiKey realm="corral-service"')
  })

  it.each(['wrong', `${key}x`, key.slice(1), key.toUpperCase()])('is not %s', async (wrong) => {
    const response = await post({ name: 'a' }, { 'x-api-key': wrong })
    expect(response.statusCode).toBe(403)
    expect(response.body).not.toContain(wrong)
  })

  it('lets the right one in, and everybody where it is not needed', async () => {
    expect((await post({ name: 'a' })).statusCode).toBe(200)
    expect((await app.inject('/things/1')).statusCode).toBe(200)
    expect((await app.inject({ method: 'POST', url: '/open' })).statusCode).toBe(200)
  })
})
