import { openConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cacheOptionsFromEnv } from '../../src/adapters/env/index.ts'
import { createCache } from '../../src/index.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
  await server.command('ACL', 'SETUSER', 'app', 'on', '>p@ss:w/rd', '~*', '&*', '+@all')
})

afterAll(async () => {
  await server.stop()
})

it.each<[string, () => Record<string, string>]>([
  ['REDIS_URL', () => ({ REDIS_URL: server.url })],
  ['REDIS_HOST and REDIS_PORT', () => ({ REDIS_HOST: server.host, REDIS_PORT: `${server.port}` })],
  [
    'REDIS_URL with the password beside it',
    () => ({
      REDIS_URL: `redis://app@${server.host}:${server.port}`,
      REDIS_PASSWORD: 'p@ss:w/rd',
    }),
  ],
])('opens what %s names', async (_name, variables) => {
  const env = cacheOptionsFromEnv({
    ...variables(),
    BULLMQ_PREFIX: 'dripiq',
    CACHE_MAX_LATENCY_MS: '5000',
    CACHE_CB_FAILURE_THRESHOLD: '5',
    CACHE_CB_RECOVERY_TIMEOUT: '60000',
    CACHE_MAX_KEY_LENGTH: '200',
  })
  await using connection = openConnection(env.target, env.connection)
  expect(connection.deadlineMs).toBe(5_000)
  await using cache = createCache({ connection, ...env.cache })
  expect(await cache.set('user:1', 1, env.ttls.presence)).toBe(true)
  expect(await server.command('EXISTS', 'dripiq:cache::user:1')).toBe(1)
  expect(await cache.ttl('user:1')).toBeGreaterThan(25)
})
