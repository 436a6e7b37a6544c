import { CorralError } from '@corral/connection'

/** Every code that `@corral/core` adds to those of `@corral/connection`. `docs/errors.md` has cause and cure. */
export const coreCodes = ['UNSERIALIZABLE_VALUE', 'CACHE_CLOSED'] as const

export type CoreCode = (typeof coreCodes)[number]

/** The value cannot be written as JSON: a function, a symbol, a bigint or a cycle. */
export function unserializable(key: string, cause?: unknown): CorralError<'UNSERIALIZABLE_VALUE'> {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new CorralError(
    'UNSERIALIZABLE_VALUE',
    `the value of "${key}" cannot be stored as JSON${why}`,
    {
      cause,
    },
  )
}

/** A cache without a connection was used after `close()`. */
export function cacheClosed(): CorralError<'CACHE_CLOSED'> {
  return new CorralError('CACHE_CLOSED', 'the cache is closed')
}
