import { channel, type Channel } from 'node:diagnostics_channel'
import type { SourceId } from './stats-source.ts'

/** Every message names the connection that it is from: the `source` of all handles on one client. */
interface OfConnection {
  readonly source: SourceId
}

/** The `node:diagnostics_channel` names of this package with what they carry. */
export interface ConnectionEvents {
  /** A breaker changed its state. */
  'corral:connection:breaker': OfConnection & {
    readonly node: string
    readonly side: 'read' | 'write'
    readonly from: string
    readonly to: string
    readonly reason: string
  }
  /** A server became usable or stopped being so. */
  'corral:connection:state': OfConnection & { readonly node: string; readonly state: string }
  /** A command of ours settled or ran out of time. */
  'corral:connection:command': OfConnection & {
    readonly node: string
    readonly command: string
    /** How many calls shared it. */
    readonly calls: number
    /** Milliseconds from being asked for to the answer or the deadline. */
    readonly duration: number
    readonly outcome: 'ok' | 'error' | 'deadline' | 'lost'
  }
  /** The signal connection was armed, lost or closed. */
  'corral:connection:signals': OfConnection & {
    readonly state: string
    readonly node?: string
    readonly reason?: string
  }
  /** Something the owner of the connection should know; see `onWarning`. */
  'corral:connection:warning': OfConnection & { readonly code: string; readonly message: string }
}

/** A named channel whose `hasSubscribers` is asked before a message is built. */
export function traceChannel<Name extends keyof ConnectionEvents>(
  name: Name,
): Channel<unknown, ConnectionEvents[Name]> {
  return channel(name) as Channel<unknown, ConnectionEvents[Name]>
}
