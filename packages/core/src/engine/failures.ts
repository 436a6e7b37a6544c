import { isCorralError, type SourceId } from '@corral/connection'
import type { Counters } from '../stats.ts'
import { traceChannel, type Operation } from '../trace.ts'

const errors = traceChannel('corral:core:error')

/** What a cache does with a call that its tier could not serve. */
export interface Failures {
  /** False for `onError: 'throw'`. */
  readonly degrade: boolean
  /**
   * Counts and tells a failure, and returns if the call should do without.
   *
   * @throws the error itself under `onError: 'throw'`, and always what is no `CorralError`: that is a bug
   */
  readonly absorb: (operation: Operation, error: unknown) => void
  /** As `absorb`, but only counts and tells. */
  readonly note: (operation: Operation, error: unknown) => void
}

export function createFailures(
  source: SourceId,
  counters: Counters,
  degrade: boolean,
  onFull?: () => void,
): Failures {
  function note(operation: Operation, error: unknown): void {
    if (!isCorralError(error)) throw error
    counters.errors++
    if (error.code === 'REDIS_FULL') onFull?.()
    if (errors.hasSubscribers) {
      errors.publish({
        source,
        namespace: source.name,
        operation,
        code: error.code,
        reason: error.reason,
      })
    }
  }

  return {
    degrade,
    note,
    absorb(operation, error) {
      note(operation, error)
      if (!degrade) throw error
    },
  }
}
