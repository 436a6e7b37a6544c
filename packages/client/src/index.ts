export { CorralError, isCorralError, type Duration } from '@corral/connection'
export type { ClientBase, ConnectedBase } from './client-base.ts'
export { type ClientCode, clientCodes } from './errors.ts'
export type { ConcurrencyLease } from './limits/concurrency-lease.ts'
export {
  type ConcurrencyLimiter,
  type ConcurrencyResult,
  createConcurrencyLimiter,
} from './limits/concurrency-limiter.ts'
export { createIncrementRateLimit, type IncrementRateLimit } from './limits/increment-rate-limit.ts'
export type {
  ConcurrencyOptions,
  ManyRateOptions,
  OnUnavailable,
  RateLimiterOptions,
  SingleRateOptions,
} from './limits/options.ts'
export type { RateAlgorithm, RateRule } from './limits/rate-rule.ts'
export type { RateLimitHeaders } from './limits/rate-limit-headers.ts'
export type { RateLimitResult } from './limits/rate-limit-result.ts'
export { createRateLimiter, type RateLimiter } from './limits/rate-limiter.ts'
export type { ClientEvents } from './trace.ts'
export type { SessionsOptions } from './sessions/options.ts'
export {
  createSessionStore,
  type SessionStore,
  type SessionStoreOptions,
  type StoreSession,
} from './sessions/session-store.ts'
export type { NewSession } from './sessions/new-session.ts'
export { createSessions, type CreateSessionOptions, type Sessions } from './sessions/sessions.ts'
export type { SessionInfo, UserSessions } from './sessions/user-sessions.ts'
export type { FlagCondition, FlagContext } from './flags/condition.ts'
export type { FlagErrorCode, FlagEvaluation, FlagReason, Widened } from './flags/evaluate.ts'
export type {
  FlagDefinition,
  FlagInput,
  FlagRule,
  FlagValue,
  Rollout,
} from './flags/flag-definition.ts'
export type { FlagState } from './flags/flag-mirror.ts'
export { createFlags, type FlagListener, type Flags } from './flags/flags.ts'
export type { Bulk, BulkResult, BulkValues, WarmCacheEntry } from './bulk/bulk.ts'
export { type CacheClient, createCacheClient } from './client.ts'
export type { Memoize, Memoized } from './memoize/memoize.ts'
export type { MemoizeOptions } from './memoize/options.ts'
export type { CacheClientOptions } from './options.ts'
export type { UserCache } from './users/user-cache.ts'
