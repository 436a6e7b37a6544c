import { randomBytes } from 'node:crypto'

const processPart = randomBytes(12).toString('base64url')
let count = 0

/** A token no other attempt, in this process or another, will ever use. At most 32 characters of [\w-]. */
export function leaseToken(): string {
  return `${processPart}-${(count++).toString(36)}`
}
