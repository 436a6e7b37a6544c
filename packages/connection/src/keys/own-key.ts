import { describeValue } from '../duration.ts'
import { encodePart } from './encoding.ts'

/**
 * A key of Corral's own, outside every namespace: `corral:<kind>:{<tag>}:<rest…>`. Keys with one
 * tag lie in one slot, and a tag that is itself a Redis key lies in that key's slot: give
 * `keyspace.key(…)` where a script touches an entry and its companion together.
 *
 * @param kind what it is for: lower-case letters and dashes
 * @param tag taken as it is, so that it decides the slot; other text goes through `encodePart` first
 * @param rest encoded here, each part for itself
 * @throws TypeError when `kind` or `tag` has another form
 */
export function ownKey(kind: string, tag: string, ...rest: readonly string[]): string {
  if (!/^[a-z][a-z-]*$/.test(kind)) {
    throw new TypeError(
      `kind: must be lower-case letters and dashes, received ${describeValue(kind)}`,
    )
  }
  if (typeof tag !== 'string' || tag === '' || /[{}\s\p{Cc}\p{Surrogate}]/u.test(tag)) {
    throw new TypeError(
      `tag: must be non-empty text without braces, white space or control characters, received ${describeValue(tag)}`,
    )
  }
  const head = `corral:${kind}:{${tag}}`
  return rest.length === 0 ? head : `${head}:${rest.map(encodePart).join(':')}`
}
