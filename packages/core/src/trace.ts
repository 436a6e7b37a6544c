import { channel, type Channel } from 'node:diagnostics_channel'
import type { SourceId } from '@corral/connection'
import type { MissReason } from './entry/read-entry.ts'

/** Every message names the cache that it is from. */
interface OfCache {
  readonly source: SourceId
  readonly namespace: string
}

interface OfKey extends OfCache {
  readonly key: string
}

/** The `node:diagnostics_channel` names of this package with what they carry. Durations in ms. */
export interface CoreEvents {
  /** A read was answered from Redis, or from the memory that stands in for it. */
  'corral:core:hit': OfKey & {
    readonly tier: 'remote' | 'memory'
    /** Past its ttl. */
    readonly stale: boolean
    /** Length of the entry as it came: bytes from a read, UTF-16 units from a script or from memory. */
    readonly size: number
    /** Of all hits of its tick, which share a command; 0 without Redis. */
    readonly duration: number
  }
  /** The same, of all hits that were asked for in one tick and answered in one: cheap to hear. */
  'corral:core:hits': OfCache & {
    readonly tier: 'remote' | 'memory'
    readonly count: number
    /** Lengths of the entries together. */
    readonly size: number
    /** Of each of them. */
    readonly duration: number
  }
  /** A read was answered by this process's own copy; too short to be timed each. */
  'corral:core:near-hit': OfKey & { readonly stale: boolean }
  /** One near hit of 64, on average, that was timed. */
  'corral:core:near-sample': OfKey & {
    readonly duration: number
    /** So many near hits it stands for: those since the last sample. */
    readonly every: number
  }
  /** A read found nothing to serve. */
  'corral:core:miss': OfKey & { readonly reason: MissReason; readonly duration: number }
  /** A value was given to be stored, by a caller or by a load. */
  'corral:core:set': OfKey & {
    readonly stored: boolean
    /** Length of what was sent: the entry's text without its times, which the server adds. */
    readonly size: number
    readonly ttlMs: number
    readonly duration: number
  }
  /** A key was asked to go; `acknowledged`: it is known to be gone. */
  'corral:core:delete': OfKey & { readonly acknowledged: boolean; readonly duration: number }
  /** Tags, a pattern or the namespace were asked to go. */
  'corral:core:invalidate': OfCache & {
    readonly kind: 'tags' | 'pattern' | 'clear'
    readonly acknowledged: boolean
    readonly duration: number
  }
  /** A loader ran. */
  'corral:core:load': OfKey & {
    /**
     * `superseded`: the key was set, deleted or loaded by others meanwhile, so that the value was not
     * stored. `skipped`: the loader, `filter` or the absence of a value said so.
     */
    readonly outcome: 'stored' | 'not-stored' | 'skipped' | 'superseded' | 'failed'
    /** Whether it ran behind a value that was served. */
    readonly behind: boolean
    readonly duration: number
  }
  /** A caller of `getOrSet` joined a call that was under way. */
  'corral:core:coalesced': OfKey
  /** A call waited for another process's load. */
  'corral:core:lease-wait': OfKey & {
    readonly outcome: 'value' | 'lease' | 'timeout' | 'failed'
    readonly duration: number
  }
  /** A value loaded shortly before stood in for Redis and the source. */
  'corral:core:outage-hit': OfKey
  /** Redis could not do what was asked. */
  'corral:core:error': OfCache & {
    readonly operation: Operation
    readonly code: string
    readonly reason: string | undefined
  }
}

/** When something began that nobody listened to then: how long it took is not known, nor told. */
export const UNHEARD = -1

/** What was being done when Redis failed. */
export type Operation = 'get' | 'set' | 'delete' | 'ttl' | 'lease' | 'expire' | 'invalidate'

/** A named channel whose `hasSubscribers` is asked before a message is built. */
export function traceChannel<Name extends keyof CoreEvents>(
  name: Name,
): Channel<unknown, CoreEvents[Name]> {
  return channel(name) as Channel<unknown, CoreEvents[Name]>
}
