export { CacheManager, type CacheManagerOptions, type CacheManagerStats } from './cache-manager.ts'
export { cacheDel, cacheGet, cacheGetOrSet, cacheManager, cacheSet } from './default-cache.ts'
export { closeDefaults, configureDefaults, type DefaultsOptions } from './defaults.ts'
