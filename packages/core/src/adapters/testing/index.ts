export { createTestCache, type TestCache, type TestCacheOptions } from './test-cache.ts'
export { createTestClock, type TestClock } from './test-clock.ts'
export type { TestRedis } from './test-redis.ts'
