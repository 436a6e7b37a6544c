import type { Ledger } from '../ledger/ledger.ts'
import type { LedgerKeys } from '../ledger/ledger-keys.ts'
import type { Presented } from '../tokens/inspect-token.ts'

/** What revocations say of something that was found out. */
export interface Verdicts {
  /** The keys that concern a token of this user; of an unknown one without it. */
  keysOf(presented: Presented, userId: string | undefined): string[]
  /**
   * Whether it is revoked, by the stamps of {@link keysOf} in their order.
   *
   * @param at the newest stamp from before it was found out
   */
  isRevoked(presented: Presented, stamps: readonly number[], at: number): boolean
  /** Whether it stays so whenever it is found out anew: by itself, or as issued before a revocation. */
  isRevokedForGood(presented: Presented, stamps: readonly number[]): boolean
  /** As {@link isRevoked}, by what this process knows without asking. */
  isKnownRevoked(presented: Presented, userId: string | undefined, at: number): boolean
  /** Whether what was set for a user at `at` is. */
  isUserRevoked(stamps: readonly number[], at: number): boolean
}

export function createVerdicts(ledger: Ledger, keys: LedgerKeys): Verdicts {
  function keysOf({ revocations }: Presented, userId: string | undefined): string[] {
    const list = revocations.map((revocation) => keys.token(revocation))
    list.push(keys.all)
    if (userId !== undefined) list.push(keys.user(userId))
    return list
  }

  /** Of the user and of everybody. */
  function newestOf({ revocations }: Presented, stamps: readonly number[]): number {
    let newest = 0
    for (let i = revocations.length; i < stamps.length; i++) {
      newest = Math.max(newest, stamps[i] as number)
    }
    return newest
  }

  function isRevokedForGood(presented: Presented, stamps: readonly number[]): boolean {
    const { revocations, issuedAt } = presented
    for (let i = 0; i < revocations.length; i++) if ((stamps[i] as number) > 0) return true
    // A token from before the revocation, found out after it by a verifier that only checks
    // signatures. `iat` is in whole seconds; one of the same second counts as from before.
    const newest = newestOf(presented, stamps)
    return newest > 0 && issuedAt !== undefined && Math.floor(issuedAt) <= newest / 1_000_000
  }

  function isRevoked(presented: Presented, stamps: readonly number[], at: number): boolean {
    return newestOf(presented, stamps) > at || isRevokedForGood(presented, stamps)
  }

  return {
    keysOf,
    isRevoked,
    isRevokedForGood,
    isKnownRevoked(presented, userId, at) {
      const stamps = keysOf(presented, userId).map((key) => ledger.known(key))
      return isRevoked(presented, stamps, at)
    },
    isUserRevoked: (stamps, at) => Math.max(...stamps) > at,
  }
}
