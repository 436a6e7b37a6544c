import { describe, expect, it } from 'vitest'
import { createCache } from '../../index.ts'
import { cacheOptionsFromEnv } from './cache-options-from-env.ts'

/** Seed 003's variables, as its documentation sets them. */
const documented = {
  REDIS_HOST: 'localhost',
  REDIS_PORT: '6379',
  REDIS_PASSWORD: 'your_password',
  REDIS_CLUSTER_ENABLED: 'false',
  REDIS_CLUSTER_NODES: 'host1:6379,host2:6379,host3:6379',
  CACHE_CB_FAILURE_THRESHOLD: '5',
  CACHE_CB_RECOVERY_TIMEOUT: '60000',
  CACHE_CB_MONITORING_PERIOD: '300000',
  CACHE_CB_HALF_OPEN_MAX_CALLS: '3',
  CACHE_KEY_PREFIX: 'chat',
  CACHE_KEY_VERSION: 'v1',
  CACHE_KEY_SEPARATOR: ':',
  CACHE_MAX_KEY_LENGTH: '250',
  CACHE_PROFILE_TTL: '86400',
  CACHE_PRESENCE_TTL: '30',
  CACHE_TYPING_TTL: '5',
  CACHE_SESSION_TTL: '3600',
  CACHE_RATE_LIMIT_TTL: '60',
  CACHE_STALE_MARKER_TTL: '300',
  CACHE_MAX_LATENCY_MS: '100',
  CACHE_BATCH_SIZE: '100',
  CACHE_WARMUP_ENABLED: 'true',
  CACHE_METRICS_ENABLED: 'true',
  CACHE_LOCK_DEFAULT_TTL: '30',
  CACHE_LOCK_RETRY_DELAY: '100',
  CACHE_LOCK_MAX_RETRIES: '3',
}

const ttls = {
  profile: 86_400,
  presence: 30,
  typing: 5,
  session: 3_600,
  rateLimit: 60,
  staleMarker: 300,
}

describe('cacheOptionsFromEnv', () => {
  it('reads everything that seed 003 documents', () => {
    expect(cacheOptionsFromEnv(documented)).toEqual({
      target: { host: 'localhost', port: 6379, password: 'your_password' },
      targetIsDefault: false,
      connection: { deadline: '100ms', breaker: { minimum: 5, openFor: '60000ms' } },
      cache: { namespace: 'chat:v1', maxKeyLength: 250 },
      locks: { namespace: 'chat:v1', ttl: 30, retry: { delay: '100ms', attempts: 3 } },
      ttls,
      batchSize: 100,
      warmup: true,
      metrics: true,
      ignored: ['CACHE_CB_MONITORING_PERIOD', 'CACHE_CB_HALF_OPEN_MAX_CALLS'],
    })
  })

  it('has defaults for an empty environment', () => {
    expect(cacheOptionsFromEnv({ REDIS_PASSWORD: '', CACHE_BATCH_SIZE: '  ' })).toEqual({
      target: 'redis://127.0.0.1:6379',
      targetIsDefault: true,
      connection: {},
      cache: { namespace: 'cache' },
      locks: { namespace: 'cache' },
      ttls,
      batchSize: 100,
      warmup: false,
      metrics: false,
      ignored: [],
    })
  })

  it.each([
    [{ BULLMQ_PREFIX: 'dripiq' }, 'dripiq:cache'],
    [{ BULLMQ_PREFIX: '{dripiq}' }, 'dripiq:cache'],
    [{ BULLMQ_PREFIX: 'bull' }, 'cache'],
    [{ BULLMQ_PREFIX: 'dripiq', CACHE_KEY_VERSION: 'v2' }, 'dripiq:cache:v2'],
    [{ BULLMQ_PREFIX: 'dripiq', CACHE_KEY_PREFIX: 'chat' }, 'chat'],
    [{ CACHE_KEY_PREFIX: 'chat', CACHE_KEY_VERSION: 'v1', CACHE_KEY_SEPARATOR: '-' }, 'chat-v1'],
  ])('makes of %j the namespace %s', (env, namespace) => {
    const options = cacheOptionsFromEnv(env)
    expect(options.cache.namespace).toBe(namespace)
    expect(createCache(options.cache).namespace).toBe(namespace)
  })

  it.each([
    [{ REDIS_URL: 'redis://cache:6380/2' }, 'redis://cache:6380/2'],
    [
      { REDIS_URL: 'rediss://u:p%40w@cache:6380', REDIS_HOST: 'other' },
      'rediss://u:p%40w@cache:6380',
    ],
    [{ REDIS_URL: 'redis://u@cache:6380', REDIS_PASSWORD: 'p@w' }, 'redis://u:p%40w@cache:6380'],
    [{ REDIS_HOST: 'cache' }, { host: 'cache', port: 6379 }],
    [{ REDIS_PORT: '6390' }, { host: '127.0.0.1', port: 6390 }],
    [
      {
        REDIS_CLUSTER_ENABLED: 'yes',
        REDIS_CLUSTER_NODES: 'a:1, b:2,[::1]:3',
        REDIS_PASSWORD: 'x',
      },
      {
        cluster: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
          { host: '::1', port: 3 },
        ],
        redisOptions: { password: 'x' },
      },
    ],
  ])('finds Redis by %j', (env, target) => {
    expect(cacheOptionsFromEnv(env)).toMatchObject({ target, targetIsDefault: false })
  })

  it('takes times with a unit', () => {
    const options = cacheOptionsFromEnv({
      CACHE_PROFILE_TTL: '1d',
      CACHE_TYPING_TTL: '500ms',
      CACHE_MAX_LATENCY_MS: '1s',
    })
    expect(options.ttls).toMatchObject({ profile: 86_400, typing: 0.5 })
    expect(options.connection.deadline).toBe('1000ms')
  })

  it.each([
    ['REDIS_URL', 'localhost:6379'],
    ['REDIS_URL', 'http://cache'],
    ['REDIS_URL', 'redis://'],
    ['REDIS_URL', 'redis://cache?keyPrefix=a'],
    ['REDIS_URL', 'redis://:%zz@cache'],
    ['REDIS_HOST', 'redis://cache'],
    ['REDIS_PORT', '70000'],
    ['REDIS_PORT', '0x10'],
    ['REDIS_CLUSTER_ENABLED', 'maybe'],
    ['REDIS_CLUSTER_ENABLED', 'true', 'REDIS_CLUSTER_NODES'],
    ['REDIS_CLUSTER_NODES', 'a:1,b'],
    ['BULLMQ_PREFIX', 'a*'],
    ['BULLMQ_PREFIX', 'bull:mail'],
    ['CACHE_KEY_PREFIX', 'a::b'],
    ['CACHE_KEY_PREFIX', 'bull'],
    ['CACHE_MAX_KEY_LENGTH', '10'],
    ['CACHE_CB_FAILURE_THRESHOLD', '0'],
    ['CACHE_CB_RECOVERY_TIMEOUT', 'soon'],
    ['CACHE_CB_MONITORING_PERIOD', '-1'],
    ['CACHE_CB_HALF_OPEN_MAX_CALLS', '1.5'],
    ['CACHE_PROFILE_TTL', '0'],
    ['CACHE_PRESENCE_TTL', 'NaN'],
    ['CACHE_TYPING_TTL', '-5'],
    ['CACHE_SESSION_TTL', '1 moon'],
    ['CACHE_RATE_LIMIT_TTL', 'Infinity'],
    ['CACHE_STALE_MARKER_TTL', '1e3x'],
    ['CACHE_MAX_LATENCY_MS', '1'],
    ['CACHE_BATCH_SIZE', '0'],
    ['CACHE_WARMUP_ENABLED', '2'],
    ['CACHE_METRICS_ENABLED', 'nope'],
    ['CACHE_LOCK_DEFAULT_TTL', '0.01'],
    ['CACHE_LOCK_RETRY_DELAY', '1'],
    ['CACHE_LOCK_MAX_RETRIES', '-1'],
  ])('refuses %s=%s', (name, value, told = name) => {
    expect(() => cacheOptionsFromEnv({ [name]: value })).toThrow(TypeError)
    expect(() => cacheOptionsFromEnv({ [name]: value })).toThrow(`a variable is wrong\n  ${told}: `)
  })

  it('lists every wrong variable in one error, and no password', () => {
    const env = {
      REDIS_URL: 'http://user:hunter2@cache:6379',
      REDIS_HOST: 'user:hunter2@cache',
      REDIS_PASSWORD: 'hunter2',
      REDIS_PORT: 'many',
      REDIS_CLUSTER_ENABLED: 'true',
      REDIS_CLUSTER_NODES: 'a:6379,redis://:hunter2@b:6379',
      CACHE_PROFILE_TTL: '-1',
    }
    let message = ''
    try {
      cacheOptionsFromEnv(env)
    } catch (error) {
      message = (error as Error).stack ?? ''
    }
    expect(message.match(/^ {2}(\w+): /gm)?.map((line) => line.trim())).toEqual([
      'REDIS_PORT:',
      'REDIS_CLUSTER_NODES:',
      'REDIS_URL:',
      'REDIS_HOST:',
      'CACHE_PROFILE_TTL:',
    ])
    expect(message).toContain('5 variables are wrong')
    expect(message).toContain('entry 2')
    expect(message).not.toContain('hunter2')
  })

  it('refuses what is no environment', () => {
    expect(() => cacheOptionsFromEnv(undefined as never)).toThrow(TypeError)
  })
})
