import { isCorralError } from '@corral/connection'
import type { Engine } from './engine/engine.ts'
import { lockInfo, type LockInfo } from './lock-info.ts'
import type { LockService } from './lock-service.ts'
import type { Lock } from './lock/lock.ts'
import {
  type AcquireOptions,
  resolveAcquire,
  type ResolvedDefaults,
  type UsingOptions,
} from './options.ts'
import { type LockKind, traceChannel } from './trace.ts'
import { eitherSignal, type LockContext, runUnder } from './using.ts'
import type { Places } from './waiting/line.ts'

/** One lock, by its name and kind. Making it asks Redis nothing. */
export interface NamedLock {
  readonly name: string
  /** As {@link Locks.using}. */
  using<Result>(
    body: (context: LockContext) => Result | PromiseLike<Result>,
    options?: UsingOptions,
  ): Promise<Result>
  /** As {@link Locks.acquire}. */
  acquire(options?: AcquireOptions): Promise<Lock>
  /** As {@link Locks.tryAcquire}; those who wait go first. */
  tryAcquire(options?: Omit<AcquireOptions, 'wait' | 'retry'>): Promise<Lock | undefined>
  inspect(): Promise<LockInfo>
  /** Releases by token. False when it was not held by it. */
  release(token: string): Promise<boolean>
  /** Takes it away from all who hold it. */
  forceRelease(): Promise<boolean>
}

const MADE_BY = {
  mutex: 'mutex',
  read: 'readWrite',
  write: 'readWrite',
  permit: 'semaphore',
} as const satisfies Record<LockKind, LockInfo['kind']>

const errorTrace = traceChannel('corral:locks:error')

export function createNamedLock(
  service: LockService,
  engine: Engine,
  places: Places,
  defaults: ResolvedDefaults,
): NamedLock {
  const { name, kind } = engine

  function onReleaseError(error: unknown): void {
    if (!errorTrace.hasSubscribers) return
    const code = isCorralError(error) ? error.code : 'UNKNOWN'
    errorTrace.publish({ ...service.origin, name, kind, operation: 'release', code })
  }

  return {
    name,
    async using(body, options) {
      const call = resolveAcquire(options, defaults, true)
      const lock = await service.acquire(engine, places, call)
      const signal = eitherSignal(lock.signal, call.signal)
      return runUnder(lock, { signal, fencingToken: lock.fencingToken }, body, onReleaseError)
    },
    acquire: async (options) => service.acquire(engine, places, resolveAcquire(options, defaults)),
    tryAcquire: async (options) => service.tryAcquire(engine, resolveAcquire(options, defaults)),
    inspect: async () => {
      return lockInfo({ kind: MADE_BY[kind], name }, await engine.inspect(), engine.clock)
    },
    async release(token) {
      if (typeof token !== 'string' || token === '') {
        throw new TypeError('token: must be the non-empty token of a lock')
      }
      return service.release(engine, token)
    },
    forceRelease: () => service.release(engine, ''),
  }
}
