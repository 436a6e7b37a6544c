export { asCacheManager, type AsCacheManagerOptions } from './as-cache-manager.ts'
export { createCacheManager, type CacheManagerOptions } from './cache-manager.ts'
