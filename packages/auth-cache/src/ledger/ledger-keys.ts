import { createHash } from 'node:crypto'
import { ownKey } from '@corral/connection'

/** The keys of one ledger; all lie in one slot, so that one script can stamp and remember the newest. */
export interface LedgerKeys {
  /** What all of them but none of another ledger's start with. */
  readonly prefix: string
  readonly newest: string
  /** Everybody's. */
  readonly all: string
  token(revocation: string): string
  user(userId: string): string
}

export function createLedgerKeys(namespace: string): LedgerKeys {
  const prefix = `${ownKey('auth', namespace)}:`
  return {
    prefix,
    newest: `${prefix}newest`,
    all: `${prefix}all`,
    token: (revocation) => `${prefix}t:${revocation}`,
    // As short for every id, and no e-mail address in a key.
    user: (userId) => `${prefix}u:${createHash('sha256').update(userId).digest('base64url')}`,
  }
}

/** A stamp as Redis gives it. What cannot be read counts as revoked: nobody else writes here. */
export function parseStamp(text: string | null): number {
  if (text === null) return 0
  const stamp = Number(text)
  return stamp > 0 ? stamp : Infinity
}
