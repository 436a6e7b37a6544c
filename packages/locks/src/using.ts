import { isCorralError } from '@corral/connection'
import type { Lock } from './lock/lock.ts'

/** What the body of `using` is given. */
export interface LockContext {
  /** Aborted before the lock can have run out, and when the caller's own signal is. */
  readonly signal: AbortSignal
  /** See {@link Lock.fencingToken}. */
  readonly fencingToken: number
}

/**
 * Runs a body and gives the lock back whatever happens. The body's own error always wins.
 *
 * @throws what the body throws; CorralError LOCK_LOST when the lock was lost before the body ended
 */
export async function runUnder<Context, Result>(
  lock: Pick<Lock, 'release'>,
  context: Context,
  body: (context: Context) => Result | PromiseLike<Result>,
  onReleaseError: (error: unknown) => void,
): Promise<Result> {
  let result: Result
  try {
    result = await body(context)
  } catch (error) {
    await lock.release().catch(onReleaseError)
    throw error
  }
  try {
    await lock.release()
  } catch (error) {
    onReleaseError(error)
    // Not acknowledged is no fault of the work, which was done under the lock. Lost is.
    if (isCorralError(error, 'LOCK_LOST')) throw error
  }
  return result
}

/** A signal that is aborted by either. */
export function eitherSignal(own: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? own : AbortSignal.any([own, other])
}
