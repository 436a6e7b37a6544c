import { createHash } from 'node:crypto'
import { describeValue, encodePart } from '@corral/connection'

/** Longest subject that stays readable in a key. */
const READABLE = 160

/**
 * The hash tag under which everything about one subject lies: `<namespace>:<subject>`. Injective:
 * the subject's own `:` is encoded, and a long one becomes a digest in a form that encoding never emits.
 *
 * @throws TypeError when the subject is no string, empty, or not well-formed
 */
export function subjectTag(namespace: string, subject: string, option: string): string {
  if (typeof subject !== 'string' || subject === '') {
    throw new TypeError(`${option}: must be a non-empty string, received ${describeValue(subject)}`)
  }
  const part = encodePart(subject)
  return part.length <= READABLE
    ? `${namespace}:${part}`
    : `${namespace}:%#${createHash('sha256').update(part).digest('base64url')}`
}
