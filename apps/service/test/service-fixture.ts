import { startRedis, type TestRedis } from '@corral/testing'
import { readConfig } from '../src/config.ts'
import { buildService, type Service } from '../src/service.ts'

export const API_KEY = 'the-key-of-these-tests'
export const mutating = { 'x-api-key': API_KEY }

/** Variables for a quiet service with few users and a quick source, on a Redis of the test. */
export function environment(redisUrl: string): Record<string, string> {
  return {
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    PORT: '0',
    REDIS_URL: redisUrl,
    API_KEY,
    DATABASE_USERS: '200',
    DATABASE_LATENCY: '10ms',
    CACHE_BYPASS: 'true',
    SHUTDOWN_TIMEOUT: '8s',
  }
}

export interface Fixture extends AsyncDisposable {
  readonly redis: TestRedis
  readonly service: Service
}

export async function startFixture(overrides: Record<string, string> = {}): Promise<Fixture> {
  const redis = await startRedis({ prefer: 'binary' })
  const service = await buildService(readConfig({ ...environment(redis.url), ...overrides }))
  return {
    redis,
    service,
    async [Symbol.asyncDispose]() {
      await service.close()
      await redis.stop()
    },
  }
}
