import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { ConfigError, readConfig } from './config.ts'

const good = { API_KEY: 'a-key-of-sixteen-or-more' }

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('readConfig', () => {
  it('needs nothing but an API key', () => {
    expect(readConfig(good)).toMatchObject({
      environment: 'development',
      host: '127.0.0.1',
      port: 3000,
      logLevel: 'info',
      redisUrl: 'redis://localhost:6379',
      queuePrefix: 'bull',
      cacheTtlMs: 300_000,
      databaseLatencyMs: 30,
      cacheBypass: false,
    })
  })

  it('listens to the world only in production', () => {
    expect(readConfig({ ...good, NODE_ENV: 'production' }).host).toBe('0.0.0.0')
  })

  it("takes the seed's LOG_LEVEL=log for info", () => {
    expect(readConfig({ ...good, LOG_LEVEL: 'log' }).logLevel).toBe('info')
    expect(readConfig({ ...good, LOG_LEVEL: 'warn' }).logLevel).toBe('warn')
  })

  it('treats an empty variable as one that is not set', () => {
    expect(readConfig({ ...good, PORT: '', REDIS_URL: ' ' }).port).toBe(3000)
  })

  it('lists every bad variable in one error', () => {
    const problems = problemsOf({
      NODE_ENV: 'staging',
      PORT: '70000',
      LOG_LEVEL: 'loud',
      REDIS_URL: 'http://localhost',
      QUEUE_NAME: 'a:b',
      CACHE_NAMESPACE: 'bull',
      CACHE_TTL: '5',
      DATABASE_LATENCY: 'slow',
      CACHE_BYPASS: 'yes',
      TOKEN_TTL: '31d',
      METRICS_LOG_EVERY: '500ms',
    })
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'NODE_ENV',
      'PORT',
      'LOG_LEVEL',
      'REDIS_URL',
      'API_KEY',
      'QUEUE_NAME',
      'CACHE_NAMESPACE',
      'CACHE_TTL',
      'CACHE_BYPASS',
      'TOKEN_TTL',
      'METRICS_LOG_EVERY',
      'DATABASE_LATENCY',
    ])
  })

  it.each([
    ['TOKEN_TTL', '31d', '1s to 30d'],
    ['TOKEN_TTL', '10ms', '1s to 30d'],
    ['METRICS_LOG_EVERY', '500ms', '1s to 1d'],
    ['METRICS_LOG_EVERY', '60d', '1s to 1d'],
  ])('says in which range %s=%s is not', (name, value, range) => {
    expect(problemsOf({ ...good, [name]: value })).toEqual([
      `${name}: must be from ${range}, received "${value}"`,
    ])
  })

  it.each([
    ['REDIS_URL', 'redis//user:s3cret-canary@host'],
    ['REDIS_URL', 'amqp://user:s3cret-canary@host'],
    ['API_KEY', 's3cret-canary'],
    ['API_KEY', 's3cret-canary with spaces in it'],
  ])('does not repeat a bad %s', (name, value) => {
    const [problem] = problemsOf({ ...good, [name]: value })
    expect(problem).toContain(name)
    expect(problem).not.toContain('canary')
  })
})

describe('what is written about the variables', () => {
  const text = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), 'utf8')

  /** Every variable that is asked for. */
  function namesRead(): string[] {
    const names = new Set<string>()
    const env = new Proxy<Record<string, string>>(good, {
      get(target, name) {
        names.add(String(name))
        return target[String(name)]
      },
    })
    readConfig(env)
    return [...names].toSorted()
  }

  it('names each in .env.example, where what is set is the default', async () => {
    const lines = (await text('../.env.example')).matchAll(/^(# )?([A-Z_]+)=(.*)$/gm)
    const named = [...lines].map(([, comment, name = '', value = '']) => ({ comment, name, value }))
    expect(named.map(({ name }) => name).toSorted()).toEqual(namesRead())
    const set = named.filter(({ comment }) => comment === undefined)
    const example = Object.fromEntries(set.map(({ name, value }) => [name, value]))
    expect(readConfig({ ...example, ...good })).toEqual(readConfig(good))
  })

  it('names each in the README, with its default', async () => {
    const rows = (await text('../README.md')).matchAll(/^\| `([A-Z_]+)` +\| (.+?) +\| /gm)
    const defaults = [...rows].map(([, name = '', shown = '']) => ({ name, shown }))
    expect(defaults.map(({ name }) => name).toSorted()).toEqual(namesRead())
    const plain = defaults.filter(({ shown }) => /^`[^`]*`$/.test(shown))
    expect(plain.length).toBeGreaterThan(10)
    const written = Object.fromEntries(plain.map(({ name, shown }) => [name, shown.slice(1, -1)]))
    expect(readConfig({ ...written, ...good })).toEqual(readConfig(good))
  })
})
