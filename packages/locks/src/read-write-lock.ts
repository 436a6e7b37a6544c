import type { LockInfo } from './lock-info.ts'
import type { Lock } from './lock/lock.ts'
import type { NamedLock } from './named-lock.ts'
import type { AcquireOptions, UsingOptions } from './options.ts'
import type { LockContext } from './using.ts'

type Body<Result> = (context: LockContext) => Result | PromiseLike<Result>

/**
 * Readers share it, a writer has it alone. Both are served in the order in which they asked, so that
 * readers who keep coming cannot starve a writer.
 */
export interface ReadWriteLock {
  readonly name: string
  read(options?: AcquireOptions): Promise<Lock>
  write(options?: AcquireOptions): Promise<Lock>
  tryRead(options?: Omit<AcquireOptions, 'wait' | 'retry'>): Promise<Lock | undefined>
  tryWrite(options?: Omit<AcquireOptions, 'wait' | 'retry'>): Promise<Lock | undefined>
  usingRead<Result>(body: Body<Result>, options?: UsingOptions): Promise<Result>
  usingWrite<Result>(body: Body<Result>, options?: UsingOptions): Promise<Result>
  inspect(): Promise<LockInfo>
}

export function createReadWriteLock(readers: NamedLock, writers: NamedLock): ReadWriteLock {
  return {
    name: readers.name,
    read: readers.acquire,
    write: writers.acquire,
    tryRead: readers.tryAcquire,
    tryWrite: writers.tryAcquire,
    usingRead: readers.using,
    usingWrite: writers.using,
    inspect: readers.inspect,
  }
}
