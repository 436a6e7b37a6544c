import { channel, type Channel } from 'node:diagnostics_channel'

/** The `node:diagnostics_channel` names of this package with what they carry. No tokens, no users. */
export interface AuthCacheEvents {
  /**
   * A token was looked at. `hit`: served from the cache; `verified`: by the verifier (or another
   * process's); `source`: by the verifier while Redis was away.
   */
  'corral:auth-cache:authenticate': {
    readonly namespace: string
    readonly outcome:
      | 'hit'
      | 'verified'
      | 'source'
      | 'invalid'
      | 'revoked'
      | 'unavailable'
      | 'failed'
    /** Milliseconds. */
    readonly duration: number
  }
  /** Something was revoked; `acknowledged: false` means that it is sent again. */
  'corral:auth-cache:revoke': {
    readonly namespace: string
    readonly kind: 'token' | 'user' | 'all'
    readonly acknowledged: boolean
    /** Milliseconds. */
    readonly duration: number
  }
  /** A stored record was refused: its seal does not fit its key and content. Somebody wrote to Redis. */
  'corral:auth-cache:tampered': { readonly namespace: string }
}

/** A named channel whose `hasSubscribers` is asked before a message is built. */
export function traceChannel<Name extends keyof AuthCacheEvents>(
  name: Name,
): Channel<unknown, AuthCacheEvents[Name]> {
  return channel(name) as Channel<unknown, AuthCacheEvents[Name]>
}
