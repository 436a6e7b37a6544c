import { createHash } from 'node:crypto'
import { ownKey } from '@corral/connection'
import { LRUCache } from 'lru-cache'

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

const MOST_USERS = 10_000
/** Ids are the caller's, and may be of any length. */
const LONGEST_KEPT = 256

export function createLedgerKeys(namespace: string): LedgerKeys {
  const prefix = `${ownKey('auth', namespace)}:`
  // Hashing a user again at each hit would cost as much as the rest of a near one.
  const users = new LRUCache<string, string>({ max: MOST_USERS })

  /** As short for every id, and no e-mail address in a key. */
  function hashed(userId: string): string {
    const digest = createHash('sha256').update(userId).digest('base64url')
    return `${prefix}u:${digest}`
  }

  return {
    prefix,
    newest: `${prefix}newest`,
    all: `${prefix}all`,
    token: (revocation) => `${prefix}t:${revocation}`,
    user(userId) {
      if (userId.length > LONGEST_KEPT) return hashed(userId)
      const known = users.get(userId)
      if (known !== undefined) return known
      const key = hashed(userId)
      users.set(userId, key)
      return key
    },
  }
}

/** A stamp as Redis gives it. What cannot be read counts as revoked: nobody else writes here. */
export function parseStamp(text: string | null): number {
  if (text === null) return 0
  const stamp = Number(text)
  return isStamp(stamp) ? stamp : Infinity
}

/** Not one past which there is no next: no revocation could be newer. */
export function isStamp(stamp: number): boolean {
  return stamp > 0 && stamp < Number.MAX_SAFE_INTEGER
}
