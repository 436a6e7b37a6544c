import { type Connection, shareConnection, type SourceId } from '@corral/connection'
import { createLockSet, type LockSet } from './acquire-many.ts'
import { createEngine, type Engine } from './engine/engine.ts'
import { openOwnClient } from './engine/own-client.ts'
import { createReplicaCheck } from './engine/replica-check.ts'
import { createLockKeys, type KeyedLock } from './lock-keys.ts'
import { createLockService, type LocksStats } from './lock-service.ts'
import type { Lock } from './lock/lock.ts'
import { createNamedLock, type NamedLock } from './named-lock.ts'
import {
  type AcquireOptions,
  type LocksOptions,
  requireName,
  requirePermits,
  resolveAcquire,
  resolveLocksOptions,
  type UsingOptions,
} from './options.ts'
import { createReadWriteLock, type ReadWriteLock } from './read-write-lock.ts'
import type { LockScripts } from './scripts/lock-scripts.ts'
import { mutexScripts } from './scripts/mutex-scripts.ts'
import { sharedScripts } from './scripts/shared-scripts.ts'
import { eitherSignal, type LockContext, runUnder } from './using.ts'
import { type LockInfo, lockInfo } from './lock-info.ts'

/** Locks of one namespace, on a borrowed connection. */
export interface Locks {
  /** Tells these locks from others in what they publish on diagnostics channels. */
  readonly source: SourceId
  /**
   * Runs `body` while holding the lock (or all the locks of an array), extending it meanwhile.
   *
   * @throws what `body` throws; what {@link acquire} throws; CorralError LOCK_LOST when the lock was
   * lost before the body ended
   */
  using<Result>(
    name: string | readonly string[],
    body: (context: LockContext) => Result | PromiseLike<Result>,
    options?: UsingOptions,
  ): Promise<Result>
  /**
   * Takes the lock, waiting for it if need be.
   *
   * @throws CorralError LOCK_TIMEOUT after `wait`; REDIS_UNAVAILABLE, REDIS_FULL,
   * LOCK_NOT_REPLICATED; the signal's reason when it aborts
   */
  acquire(name: string, options?: AcquireOptions): Promise<Lock>
  /** Takes the lock if it is free now. */
  tryAcquire(
    name: string,
    options?: Omit<AcquireOptions, 'wait' | 'retry'>,
  ): Promise<Lock | undefined>
  /**
   * Takes all of them or none, in an order of its own so that two callers cannot block each other.
   *
   * @throws TypeError for an empty array or a name that comes twice
   */
  acquireMany(names: readonly string[], options?: AcquireOptions): Promise<LockSet>
  /** The same lock, handed out strictly in order of asking, across processes. */
  fair(name: string): NamedLock
  /** Shared by readers, exclusive for writers, both in order of asking. */
  readWrite(name: string): ReadWriteLock
  /** Held by up to `permits` at once. Everybody must give the same number. */
  semaphore(name: string, permits: number): NamedLock
  /** Who holds a lock, and how many places are taken in its line. */
  inspect(name: string): Promise<LockInfo>
  /** The locks of all kinds that are held now. Walks all keys of Redis: for people, not for code paths. */
  list(): Promise<LockInfo[]>
  /** Releases by token, for a holder in another process. False when it was not held by it. */
  release(name: string, token: string): Promise<boolean>
  /** Takes the lock away from whoever holds it; who waits gets it. False when nobody held it. */
  forceRelease(name: string): Promise<boolean>
  stats(): LocksStats
  /** Rejects waiters. Locks that are held run out, or are given back before this. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const MUTEX = { kind: 'mutex', mode: 'w', single: true } as const

/** So many names are kept ready at a time. */
const MOST_KEPT = 4_096

/**
 * Makes locks on a connection that others hold, usually BullMQ.
 *
 * @throws TypeError or RangeError for wrong options
 * @example
 * ```ts
 * import { createLocks } from '@corral/locks'
 * import { Redis } from 'ioredis'
 *
 * const redis = new Redis({ maxRetriesPerRequest: null })
 * const locks = createLocks({ connection: redis, namespace: 'shop' })
 * await locks.using('invoice:42', async ({ signal, fencingToken }) => {
 *   signal.throwIfAborted() // aborted before the lock can have run out
 *   console.log(fencingToken)
 * })
 * await locks.close()
 * redis.disconnect()
 * ```
 */
export function createLocks(options: LocksOptions): Locks {
  const resolved = resolveLocksOptions(options)
  const { keyspace, keepMs, replicas: wanted } = resolved
  const { namespace } = keyspace
  const source: SourceId = { kind: 'locks', name: namespace }
  const keys = createLockKeys(keyspace)
  const connection = shareConnection(options.connection)
  const service = createLockService(connection, { source, namespace })
  const ownClient =
    wanted !== undefined && wanted.connection === undefined
      ? openOwnClient(options.connection)
      : undefined
  const checked: Connection | undefined =
    wanted === undefined
      ? undefined
      : shareConnection(wanted.connection ?? ownClient!.source, { signals: false })
  const replicas =
    wanted === undefined || checked === undefined
      ? undefined
      : createReplicaCheck(checked, wanted.count, wanted.timeoutMs)

  function engineOf(
    key: string,
    name: string,
    scripts: LockScripts,
    rest: Pick<Engine, 'kind' | 'mode' | 'single'>,
    capacity: number,
  ): Engine {
    const on = checked ?? connection
    return createEngine({ ...rest, connection: on, scripts, key, name, capacity, keepMs, replicas })
  }

  const mutexes = new Map<string, Engine>()

  /** Kept for the names in use, as their keys and texts take longer to make than to ask Redis. */
  function mutex(name: string): Engine {
    const known = mutexes.get(name)
    if (known !== undefined) return known
    requireName(name)
    const engine = engineOf(keys.mutex(name), name, mutexScripts, MUTEX, 1)
    if (mutexes.size >= MOST_KEPT) mutexes.clear()
    mutexes.set(name, engine)
    return engine
  }

  async function acquireMany(
    names: readonly string[],
    given: AcquireOptions | undefined,
    autoExtend: boolean,
  ): Promise<LockSet> {
    const call = resolveAcquire(given, resolved, autoExtend)
    return createLockSet(names, call, connection.clock, (name, each) =>
      service.acquire(mutex(name), 'shared', each),
    )
  }

  async function list(): Promise<LockInfo[]> {
    const found = new Map<string, KeyedLock>()
    for await (const page of connection.scan(keys.pattern)) {
      for (const key of page) {
        const lock = keys.lockOf(key)
        if (lock !== undefined) found.set(key, lock)
      }
    }
    const all = await Promise.all(
      [...found.values()].map(async (lock) => {
        const scripts = lock.kind === 'mutex' ? mutexScripts : sharedScripts
        const engine = engineOf(lock.key, lock.name ?? lock.key, scripts, MUTEX, 1)
        return lockInfo(lock, await engine.inspect(), connection.clock)
      }),
    )
    return all.filter(({ held }) => held)
  }

  async function close(): Promise<void> {
    await service.close()
    await checked?.close()
    ownClient?.close()
    await connection.close()
  }

  return {
    source,
    async using(name, body, given) {
      if (typeof name === 'string') {
        return createNamedLock(service, mutex(name), 'shared', resolved).using(body, given)
      }
      const { autoExtend = true, ...rest } = given ?? {}
      const set = await acquireMany(name, { ...rest, autoExtend }, true)
      const signal = eitherSignal(set.signal, given?.signal)
      return runUnder(set, { signal, fencingToken: set.fencingToken }, body, () => undefined)
    },
    // Wrong names and options throw from inside: whoever awaits sees them as rejections.
    acquire: async (name, given) =>
      service.acquire(mutex(name), 'shared', resolveAcquire(given, resolved)),
    tryAcquire: async (name, given) =>
      service.tryAcquire(mutex(name), resolveAcquire(given, resolved)),
    acquireMany: (names, given) => acquireMany(names, given, false),
    fair: (name) => createNamedLock(service, mutex(name), 'own', resolved),
    readWrite(name) {
      requireName(name)
      const of = (kind: 'read' | 'write'): Engine =>
        engineOf(
          keys.readWrite(name),
          name,
          sharedScripts,
          { kind, mode: kind === 'read' ? 'r' : 'w', single: false },
          Number.MAX_SAFE_INTEGER,
        )
      return createReadWriteLock(
        createNamedLock(service, of('read'), 'own', resolved),
        createNamedLock(service, of('write'), 'own', resolved),
      )
    },
    semaphore(name, permits) {
      requireName(name)
      const kind = { kind: 'permit', mode: 'r', single: false } as const
      const capacity = requirePermits(permits)
      const engine = engineOf(keys.semaphore(name), name, sharedScripts, kind, capacity)
      return createNamedLock(service, engine, 'own', resolved)
    },
    inspect: async (name) => {
      const snapshot = await mutex(name).inspect()
      return lockInfo({ kind: 'mutex', name }, snapshot, connection.clock)
    },
    list,
    async release(name, token) {
      if (typeof token !== 'string' || token === '') {
        throw new TypeError('token: must be the non-empty token of a lock')
      }
      return service.release(mutex(name), token)
    },
    forceRelease: async (name) => service.release(mutex(name), ''),
    stats: () => service.stats(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
