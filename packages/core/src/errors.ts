import { CorralError } from '@corral/connection'

/** Every code that `@corral/core` adds to those of `@corral/connection`. `docs/errors.md` has cause and cure. */
export const coreCodes = [
  'UNSERIALIZABLE_VALUE',
  'CACHE_CLOSED',
  'LOAD_TIMEOUT',
  'LEASE_TIMEOUT',
  'SCHEMA_MISMATCH',
] as const

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

/** A count would leave 2^53, beyond which JavaScript does not count exactly; as Redis's scripts say it. */
export function countOverflow(what: string): CorralError<'REDIS_REPLY'> {
  return new CorralError('REDIS_REPLY', `${what}: the count would leave 2^53 (OVERFLOW)`)
}

/** A cache without a connection was used after `close()`. */
export function cacheClosed(): CorralError<'CACHE_CLOSED'> {
  return new CorralError('CACHE_CLOSED', 'the cache is closed')
}

/** The load took longer than `hardTimeout`; it goes on. */
export function loadTimeout(key: string, ms: number): CorralError<'LOAD_TIMEOUT'> {
  return new CorralError('LOAD_TIMEOUT', `loading "${key}" took longer than ${ms} ms (hardTimeout)`)
}

/** Another process holds the lease of the key, and brought no value in time. */
export function leaseTimeout(key: string): CorralError<'LEASE_TIMEOUT'> {
  return new CorralError(
    'LEASE_TIMEOUT',
    `another process loads "${key}" and brought no value in time (lease.wait, lease.attempts)`,
  )
}

/** What was loaded is not what the schema wants; `issues` holds no value. */
export function schemaMismatch(key: string, issues: string): CorralError<'SCHEMA_MISMATCH'> {
  return new CorralError('SCHEMA_MISMATCH', `the loaded value of "${key}" is not valid: ${issues}`)
}
