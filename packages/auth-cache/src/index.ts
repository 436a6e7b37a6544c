export { createAuthCache, type AuthCache } from './auth-cache.ts'
export type { Authenticate } from './authenticate/authenticate.ts'
export type { AuthIdentity, Verify, VerifyContext } from './authenticate/verify.ts'
export {
  authCacheCodes,
  type AuthCacheCode,
  type AuthUnavailableReason,
  type InvalidReason,
} from './errors.ts'
export type { KnownTokens, SetTokenOptions } from './known-tokens.ts'
export type { AuthCacheOptions, Pepper } from './options.ts'
export type { Revocation } from './revocation/revocation.ts'
export type { AuthCacheEvents } from './trace.ts'
export type { AuthData, Users } from './users.ts'
export { CorralError, isCorralError, type Duration } from '@corral/connection'
