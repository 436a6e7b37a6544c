import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from './ask.ts'
import { mutating, startFixture, type Fixture } from './service-fixture.ts'

/*
 * The interface that this service took over: each of its routes, with the bodies that its callers
 * send, in the order in which somebody would. What is asserted is the whole answer.
 */

let fixture: Fixture
let url: string

beforeAll(async () => {
  fixture = await startFixture()
  url = await fixture.service.start()
})
afterAll(() => fixture[Symbol.asyncDispose]())

const user = {
  id: 7,
  name: 'User 7',
  email: 'user7@example.org',
  plan: 'free',
  credits: 5433,
  version: 1,
  updatedAt: '2026-01-01T00:00:00.000Z',
}
const demoValue = (key: string) => ({
  key,
  users: expect.any(Number),
  credits: expect.any(Number),
  plans: expect.any(Object),
})
const cached = expect.stringMatching(/^(near|cache)$/)
const count = expect.any(Number)

/** What the answers before said that a later request repeats. */
const remembered: Record<string, unknown> = {}

interface Step {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: object | (() => object)
  readonly status: number
  readonly answer: unknown
}

const steps: readonly Step[] = [
  // A key is fetched, or computed by a demo function.
  {
    method: 'GET',
    path: '/api/cache/user:7',
    status: 200,
    answer: { key: 'user:7', value: user, cached: false, from: 'source' },
  },
  {
    method: 'GET',
    path: '/api/cache/user:7',
    status: 200,
    answer: { key: 'user:7', value: user, cached: true, from: cached },
  },
  {
    method: 'GET',
    path: '/api/cache/demo',
    status: 200,
    answer: { key: 'demo', value: demoValue('demo'), cached: false, from: 'source' },
  },
  {
    method: 'GET',
    path: '/api/cache/demo',
    status: 200,
    answer: { key: 'demo', value: demoValue('demo'), cached: true, from: cached },
  },
  // Warming, with a ttl in seconds and without.
  {
    method: 'POST',
    path: '/api/cache/warm',
    body: { keys: ['user:8', 'user:9'], ttl: 60 },
    status: 202,
    answer: { id: expect.any(String) },
  },
  {
    method: 'POST',
    path: '/api/cache/warm',
    body: { keys: ['user:8'] },
    status: 202,
    answer: { id: expect.any(String) },
  },
  // Invalidation by key and by pattern.
  {
    method: 'POST',
    path: '/api/cache/invalidate',
    body: { key: 'user:7' },
    status: 200,
    answer: { key: 'user:7', acknowledged: true },
  },
  {
    method: 'GET',
    path: '/api/cache/user:7',
    status: 200,
    answer: { key: 'user:7', value: user, cached: false, from: 'source' },
  },
  {
    method: 'POST',
    path: '/api/cache/invalidate',
    body: { pattern: 'dem*' },
    status: 200,
    answer: { pattern: 'dem*', deleted: 1, acknowledged: true },
  },
  {
    method: 'GET',
    path: '/api/cache/demo',
    status: 200,
    answer: { key: 'demo', value: demoValue('demo'), cached: false, from: 'source' },
  },
  // Counts.
  {
    method: 'GET',
    path: '/api/cache/stats',
    status: 200,
    answer: expect.objectContaining({ hits: count, misses: count }),
  },
  // A lock: taken once, refused meanwhile, given back by key and token, once.
  {
    method: 'POST',
    path: '/api/cache/lock/acquire',
    body: { resource: 'invoice:42', ttl: 30 },
    status: 200,
    answer: {
      acquired: true,
      key: 'invoice:42',
      token: expect.any(String),
      fencingToken: count,
      ttl: 30,
      expiresAt: count,
    },
  },
  {
    method: 'POST',
    path: '/api/cache/lock/acquire',
    body: { resource: 'invoice:42' },
    status: 409,
    answer: expect.objectContaining({ status: 409, acquired: false, resource: 'invoice:42' }),
  },
  {
    method: 'POST',
    path: '/api/cache/lock/release',
    body: { key: 'invoice:42', token: 'not-it' },
    status: 200,
    answer: { key: 'invoice:42', released: false },
  },
  {
    method: 'POST',
    path: '/api/cache/lock/release',
    body: () => ({ key: 'invoice:42', token: remembered['token'] }),
    status: 200,
    answer: { key: 'invoice:42', released: true },
  },
  {
    method: 'POST',
    path: '/api/cache/lock/release',
    body: () => ({ key: 'invoice:42', token: remembered['token'] }),
    status: 200,
    answer: { key: 'invoice:42', released: false },
  },
  {
    method: 'POST',
    path: '/api/cache/lock/acquire',
    body: { resource: 'invoice:42' },
    status: 200,
    answer: expect.objectContaining({ acquired: true, ttl: 30 }),
  },
  // What is wrong is said.
  {
    method: 'GET',
    path: '/api/cache/user:999',
    status: 404,
    answer: expect.objectContaining({ status: 404 }),
  },
  {
    method: 'POST',
    path: '/api/cache/warm',
    body: { keys: 'user:8' },
    status: 400,
    answer: expect.objectContaining({ status: 400, errors: expect.any(Array) }),
  },
  {
    method: 'POST',
    path: '/api/cache/invalidate',
    body: {},
    status: 400,
    answer: expect.objectContaining({ status: 400 }),
  },
  {
    method: 'POST',
    path: '/api/cache/lock/acquire',
    body: {},
    status: 400,
    answer: expect.objectContaining({ status: 400 }),
  },
  {
    method: 'POST',
    path: '/api/cache/lock/release',
    body: { key: 'a' },
    status: 400,
    answer: expect.objectContaining({ status: 400 }),
  },
]

describe('one after the other', () => {
  it.each(steps.map((step, index) => [index, step.method, step.path, step] as const))(
    '%i: %s %s',
    async (_, method, path, { body, status, answer }) => {
      const given = typeof body === 'function' ? body() : body
      const response = await ask(method, url + path, {
        headers: mutating,
        ...(given === undefined ? {} : { body: given }),
      })
      expect(response.body).toEqual(answer)
      expect(response.status).toBe(status)
      const type = status < 400 ? 'application/json' : 'application/problem+json'
      expect(response.headers.get('content-type')).toContain(type)
      Object.assign(remembered, status < 400 ? response.body : {})
    },
  )
})
