export { CorralError, type Duration, isCorralError } from '@corral/connection'
export type { LockSet } from './acquire-many.ts'
export { locksCodes, type LocksCode, type LossReason, type TimeoutReason } from './errors.ts'
export { createRedisFence, type RedisFence, type RedisFenceOptions } from './fencing/redis-fence.ts'
export {
  createSqlFence,
  type RunStatement,
  type SqlFence,
  type SqlFenceOptions,
} from './fencing/sql-fence.ts'
export type { Holder, LockInfo } from './lock-info.ts'
export type { LocksStats } from './lock-service.ts'
export type { Lock } from './lock/lock.ts'
export { createLocks, type Locks } from './locks.ts'
export type { NamedLock } from './named-lock.ts'
export type {
  AcquireOptions,
  LockDefaults,
  LocksOptions,
  ReplicaOptions,
  RetryOptions,
  UsingOptions,
} from './options.ts'
export type { ReadWriteLock } from './read-write-lock.ts'
export type { LockKind, LocksEvents } from './trace.ts'
export type { LockContext } from './using.ts'
