import { channel, type Channel } from 'node:diagnostics_channel'
import type { SourceId } from '@corral/connection'

/** What kind of lock an event is about. */
export type LockKind = 'mutex' | 'read' | 'write' | 'permit'

interface OfLock {
  /** The `source` of the locks that it came from. */
  readonly source: SourceId
  readonly namespace: string
  readonly name: string
  readonly kind: LockKind
}

/** What all events of one lock service carry. */
export type Origin = Pick<OfLock, 'source' | 'namespace'>

/** The `node:diagnostics_channel` names of this package with what they carry. Durations in ms. */
export interface LocksEvents {
  /** A lock was handed out. */
  'corral:locks:acquired': OfLock & { readonly waited: number; readonly fencingToken: number }
  /** Its holder gave it back; `acknowledged`: Redis has heard so. */
  'corral:locks:released': OfLock & { readonly held: number; readonly acknowledged: boolean }
  /** It was lost before it was given back. */
  'corral:locks:lost': OfLock & { readonly reason: string }
  /** A wait ended without it. */
  'corral:locks:refused': OfLock & { readonly waited: number; readonly code: string }
  /** A body under a lock went on after the lock was lost, or the release failed behind an error. */
  'corral:locks:error': OfLock & { readonly operation: string; readonly code: string }
}

/** A named channel whose `hasSubscribers` is asked before a message is built. */
export function traceChannel<Name extends keyof LocksEvents>(
  name: Name,
): Channel<unknown, LocksEvents[Name]> {
  return channel(name) as Channel<unknown, LocksEvents[Name]>
}
