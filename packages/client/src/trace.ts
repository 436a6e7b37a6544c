import { channel, type Channel } from 'node:diagnostics_channel'

/** The `node:diagnostics_channel` names of this package with what they carry. */
export interface ClientEvents {
  /** A limiter decided about a call. */
  'corral:client:limit': {
    readonly namespace: string
    readonly limiter: string
    readonly allowed: boolean
    readonly source: 'redis' | 'local' | 'policy'
  }
  /** Something became of a session, or of all of a user (`revoked`). No ids, no users. */
  'corral:client:session': {
    readonly namespace: string
    readonly event: 'created' | 'rotated' | 'deleted' | 'revoked' | 'refused'
  }
  /** The copy of the flags changed, or how far it can be trusted. */
  'corral:client:flag': {
    readonly namespace: string
    readonly event: 'changed' | 'starting' | 'ready' | 'stale' | 'closed'
    readonly names: readonly string[]
  }
}

/** A named channel whose `hasSubscribers` is asked before a message is built. */
export function traceChannel<Name extends keyof ClientEvents>(
  name: Name,
): Channel<unknown, ClientEvents[Name]> {
  return channel(name) as Channel<unknown, ClientEvents[Name]>
}
