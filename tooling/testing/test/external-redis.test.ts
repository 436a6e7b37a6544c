import { afterEach, expect, it, vi } from 'vitest'
import { startRedis } from '../src/index.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

it('uses the server of TEST_REDIS_URL, talks to it, and does nothing else to it', async () => {
  await using own = await startRedis({ args: ['--requirepass', 'secret'] })
  vi.stubEnv('TEST_REDIS_URL', own.url)
  const redis = await startRedis()
  expect(redis).toMatchObject({
    source: 'external',
    mode: 'standalone',
    port: own.port,
    url: own.url,
  })
  expect(redis.version).toBe(own.version)
  expect(await redis.command('SET', 'a', '1')).toBe('OK')
  expect(await redis.commandOn('redis', 'GET', 'a')).toBe('1')
  for (const verb of ['pause', 'resume', 'kill', 'restart', 'failover'] as const) {
    await expect(redis[verb]()).rejects.toThrow(/server of TEST_REDIS_URL: it is not ours/)
  }
  await redis.stop()
  expect(await own.command('GET', 'a')).toBe('1')
})

it('starts a private one for what a foreign server cannot give', async () => {
  await using own = await startRedis()
  vi.stubEnv('TEST_REDIS_URL', own.url)
  await using pair = await startRedis({ mode: 'replica' })
  await using special = await startRedis({ args: ['--maxmemory', '10mb'] })
  expect([pair.source, special.source]).not.toContain('external')
})

it('refuses a malformed one without telling its password', async () => {
  vi.stubEnv('TEST_REDIS_URL', 'http://:hunter2@localhost')
  const message = await startRedis().then(
    () => 'started',
    (error: unknown) => `${error as TypeError}`,
  )
  expect(message).toMatch(/^TypeError: TEST_REDIS_URL must look like redis:\/\//)
  expect(message).not.toContain('hunter2')
})
