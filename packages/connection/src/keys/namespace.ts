import { describeValue } from '../duration.ts'
import { checkWellFormed } from './encoding.ts'

function refuse(rule: string, value: unknown): never {
  throw new TypeError(`namespace: ${rule}, received ${describeValue(value)}`)
}

/**
 * The rules of a namespace, so that no namespace's keys lie inside another's, a glob or a hash tag
 * cannot come from it, and BullMQ's keys are never in it.
 *
 * @throws TypeError naming the rule and the value
 */
export function checkNamespace(namespace: unknown): asserts namespace is string {
  if (typeof namespace !== 'string') refuse('must be a string', namespace)
  if (namespace === '') refuse('must not be empty', namespace)
  checkWellFormed(namespace, 'namespace')
  if (/[{}]/.test(namespace)) refuse('must not hold braces (Redis Cluster hash tags)', namespace)
  if (/[*?[\]\\]/.test(namespace)) refuse('must not hold glob characters * ? [ ] \\', namespace)
  if (/[\s\p{Cc}]/u.test(namespace)) {
    refuse('must not hold white space or control characters', namespace)
  }
  if (namespace.startsWith(':') || namespace.endsWith(':')) {
    refuse("must not start or end with ':'", namespace)
  }
  if (namespace.includes('::')) refuse("must not hold '::', which ends a namespace", namespace)
  if (namespace === 'bull' || namespace.startsWith('bull:')) {
    refuse("must not be 'bull' or below it, where BullMQ keeps its queues", namespace)
  }
}
