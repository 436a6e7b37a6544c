import { describeValue } from '@corral/connection'
import { noOption } from './policy.ts'

/**
 * For options that are few and are read one by one.
 *
 * @throws TypeError for what is no object, and for a name that is none of `known`
 */
export function requireKnownOptions(
  options: object | undefined,
  of: string,
  known: readonly string[],
): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) throw noOption(name, of, known, value)
  }
}
