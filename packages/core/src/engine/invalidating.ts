import type { CorralError } from '@corral/connection'
import { requireKnownOptions } from '../known-options.ts'
import { checkTags } from '../policy.ts'
import { traceChannel, type CoreEvents } from '../trace.ts'
import { changingAny, type Parts } from './parts.ts'

const invalidations = traceChannel('corral:core:invalidate')

/** Options of `clear`. */
export interface ClearOptions {
  /** The caches below this one as well. @defaultValue false */
  readonly deep?: boolean
  /** Whether to wait until the memory is freed, too. @defaultValue false */
  readonly wait?: boolean
}

/** The half of a cache that takes more than one entry away. */
export interface Invalidating {
  readonly invalidateTags: (tags: readonly string[]) => Promise<boolean>
  readonly clear: (options?: ClearOptions) => Promise<boolean>
  readonly deletePattern: (pattern: string) => Promise<number>
  readonly keys: (pattern?: string) => AsyncIterable<string>
}

/** The same on Redis or memory, which also says whether all that matches a pattern is known to be gone. */
export interface Invalidation extends Omit<Invalidating, 'deletePattern'> {
  readonly deletePattern: (pattern: string) => Promise<PatternRemoval>
}

export interface PatternRemoval {
  readonly removed: number
  readonly acknowledged: boolean
}

/**
 * Adds to an {@link Invalidation} what concerns calls that are under way, and tells listeners.
 *
 * @param below the caches that `clear({ deep: true })` clears as well
 */
export function createInvalidating(
  parts: Parts,
  below: () => Iterable<Parts>,
  invalidation: Invalidation,
): Invalidating {
  const { source, namespace, clock } = parts

  function changingAll(deep: boolean): void {
    changingAny(parts)
    if (!deep) return
    for (const child of below()) {
      changingAny(child)
      // What stands there without a time answers to no stamp.
      child.near?.clear()
    }
  }

  async function run<T>(
    kind: CoreEvents['corral:core:invalidate']['kind'],
    work: () => Promise<T>,
    isAcknowledged: (result: T) => boolean,
    deep = false,
  ): Promise<T> {
    const started = clock.now()
    let acknowledged = false
    // Calls from now on share no older load; nor do those after it is known to be in force.
    changingAll(deep)
    try {
      const result = await work()
      acknowledged = isAcknowledged(result)
      return result
    } finally {
      changingAll(deep)
      if (invalidations.hasSubscribers) {
        const duration = clock.now() - started
        invalidations.publish({ source, namespace, kind, acknowledged, duration })
      }
    }
  }

  return {
    async invalidateTags(given) {
      const tags = checkTags(given)
      return tags.length === 0 || run('tags', () => invalidation.invalidateTags(tags), Boolean)
    },
    async clear(options) {
      requireKnownOptions(options, 'clear', ['deep', 'wait'])
      return run('clear', () => invalidation.clear(options), Boolean, options?.deep)
    },
    async deletePattern(pattern) {
      const removal = await run(
        'pattern',
        () => invalidation.deletePattern(pattern),
        ({ acknowledged }) => acknowledged,
      )
      return removal.removed
    },
    keys: (pattern) => invalidation.keys(pattern),
  }
}

/** What a part that sends commands of its own does with their failures. */
export function onInvalidationFailure({ failures }: Pick<Parts, 'failures'>) {
  return (_operation: unknown, error: CorralError): void => failures.absorb('invalidate', error)
}
