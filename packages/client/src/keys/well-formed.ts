import { describeValue } from '@corral/connection'

/** Without lone surrogates. */
export function isWellFormed(text: string): boolean {
  return !/\p{Cs}/u.test(text)
}

/**
 * Refuses what has no UTF-8 form: every lone surrogate would become the same replacement character, so
 * that two texts were one in Redis.
 *
 * @throws TypeError naming option and received value
 */
export function requireWellFormed(text: string, option: string): void {
  if (isWellFormed(text)) return
  throw new TypeError(
    `${option}: must be well-formed UTF-16 (no lone surrogate), received ${describeValue(text)}`,
  )
}
