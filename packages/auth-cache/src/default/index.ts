export { closeDefaults, configureDefaults, type DefaultsOptions } from '@corral/core/default'
export {
  authCache,
  authCacheRedis,
  configureAuthDefaults,
  type AuthDefaultsOptions,
} from './auth-cache.ts'
