import { CorralError } from '@corral/connection'

/**
 * Every code that `@corral/client` adds to those of `@corral/connection` and `@corral/core`.
 * `docs/errors.md` has cause and cure.
 */
export const clientCodes = ['LIMIT_REACHED'] as const

export type ClientCode = (typeof clientCodes)[number]

/** No place was free in `using` of a concurrency limiter. */
export function limitReached(limiter: string, retryAfter: number): CorralError<'LIMIT_REACHED'> {
  return new CorralError(
    'LIMIT_REACHED',
    `limiter "${limiter}": no place is free; one is in ${retryAfter} s at the latest`,
  )
}
