import { createHash } from 'node:crypto'
import { describeValue, encodePart } from '@corral/connection'

/** Longest subject that stays readable in a key, and as it is in a map. */
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
  return part.length <= READABLE ? `${namespace}:${part}` : `${namespace}:%#${digestOf(part)}`
}

/**
 * A subject for a map of this process, whose entries are bounded in number: a long one, of a header that
 * somebody filled, becomes a digest. No subject begins as that does, since all are well-formed.
 */
export function shortSubject(subject: string): string {
  return subject.length <= READABLE ? subject : `\uD800${digestOf(subject)}`
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
