import {
  compilePattern,
  type Connection,
  type CorralError,
  type Keyspace,
} from '@corral/connection'
import type { NearTier } from '../near/near-tier.ts'
import type { StampBook } from '../stamps/stamp-book.ts'
import { deletePattern, listKeys } from './delete-pattern.ts'
import { createJournal, type Journal, type JournalDeps } from './journal.ts'
import { createSweeper, type SweeperDeps } from './sweeper.ts'

export type InvalidationOperation = 'invalidateTags' | 'clear' | 'deletePattern'

export interface ClearOptions {
  /** The namespaces below it as well. @defaultValue false */
  readonly deep?: boolean
  /** Resolve only when the memory is free again. @defaultValue false */
  readonly wait?: boolean
}

/** Everything that takes more than one entry out of a cache on Redis. */
export interface Invalidation {
  readonly journal: Journal
  /** True: acknowledged. False: remembered, and in force in this process. */
  invalidateTags(tags: readonly string[]): Promise<boolean>
  /** In force when it resolves; the memory is freed behind it. False as above. */
  clear(options?: ClearOptions): Promise<boolean>
  /** How many entries went; what could not be reached is remembered, and then it is not acknowledged. */
  deletePattern(
    pattern: string,
  ): Promise<{ readonly removed: number; readonly acknowledged: boolean }>
  keys(pattern?: string): AsyncIterable<string>
  close(): Promise<void>
}

export interface InvalidationDeps
  extends
    Pick<SweeperDeps, 'clockSkewMs' | 'childPrefixes'>,
    Pick<JournalDeps, 'most' | 'onOverflow' | 'onReplayed'> {
  readonly connection: Connection
  readonly keyspace: Keyspace
  readonly book: StampBook
  readonly near?: Pick<NearTier, 'clear' | 'dropMatching'> | undefined
  /**
   * Told of what Redis did not acknowledge, after it was remembered. What it throws is what the call
   * rejects with.
   */
  readonly onFailure: (operation: InvalidationOperation, error: CorralError) => void
}

export function createInvalidation(deps: InvalidationDeps): Invalidation {
  const { connection, keyspace, book, near, onFailure } = deps
  const sweeper = createSweeper({ ...deps, namespace: keyspace.namespace })
  const journal = createJournal({ ...deps, sweeper })

  function failed(operation: InvalidationOperation): false {
    if (book.lastError !== undefined) onFailure(operation, book.lastError)
    return false
  }

  async function invalidateTags(tags: readonly string[]): Promise<boolean> {
    if (await book.invalidateTags(tags)) return true
    journal.addTags(tags)
    return failed('invalidateTags')
  }

  async function clear({ deep = false, wait = false }: ClearOptions = {}): Promise<boolean> {
    // Foreign entries and counters answer to no stamp: here they are gone at once all the same.
    near?.clear()
    const stamp = await book.stampNamespace({ deep })
    near?.clear()
    if (stamp === undefined) {
      journal.addNamespace(deep)
      return failed('clear')
    }
    const swept = sweeper.start({ stamp, deep })
    if (wait) {
      await swept.catch((error: unknown) => onFailure('clear', error as CorralError))
    }
    return true
  }

  const removeMatching: Invalidation['deletePattern'] = async (text) => {
    const pattern = compilePattern(keyspace, text)
    const matches = (redisKey: string): boolean => pattern.match(redisKey) !== 'no'
    near?.dropMatching(matches)
    const { removed, error } = await deletePattern(connection, pattern)
    near?.dropMatching(matches)
    if (error !== undefined) {
      journal.addPattern(text)
      onFailure('deletePattern', error)
    }
    return { removed, acknowledged: error === undefined }
  }

  return {
    journal,
    invalidateTags,
    clear,
    deletePattern: removeMatching,
    keys: (pattern = '*') => listKeys(connection, keyspace, pattern),
    async close() {
      await journal.close()
      await sweeper.close()
    },
  }
}
