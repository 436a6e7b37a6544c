export { asCacheManager, type AsCacheManagerOptions } from './as-cache-manager.ts'
export type { CacheCalls } from './cache-calls.ts'
export { createCacheManager, type CacheManagerOptions } from './cache-manager.ts'
