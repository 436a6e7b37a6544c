export { closeDefaults, configureDefaults, type DefaultsOptions } from '@corral/core/default'
export {
  authCache,
  authCache as authCacheRedis,
  configureAuthDefaults,
  type AuthDefaultsOptions,
} from './auth-cache.ts'
