import { randomUUID } from 'node:crypto'
import type { Engine } from '../engine/engine.ts'
import type { Busy } from '../engine/replies.ts'
import type { Waiter } from './waiter.ts'

/** A request that found the lock held. */
export interface Asked {
  readonly token: string
  /** The channel of its place in Redis's line; empty when it has none. */
  readonly channel: string
  readonly busy: Busy
}

/** A place in Redis's line, or one that is being asked for. */
export interface Ticket {
  readonly token: string
  readonly ttlMs: number
  /** Whom it serves; undefined when that is whoever comes next in this process. */
  readonly waiter: Waiter | undefined
  /** Where it hears of a hand-over; empty until that is known. */
  channel: string
  /** Redis has answered about it, or about one that it follows: from now on an outage is sat out. */
  known: boolean
  /** Redis has been told its place in the line. */
  queued: boolean
  /** A request about it is out. At most one is, so that none can take effect after its end. */
  asking: boolean
  /** Word came that the lock was handed to it. */
  called: boolean
  /** A request about it failed: it may have lost its place. */
  unsure: boolean
  over: boolean
}

export function createTicket(
  waiter: Waiter,
  ofHis: boolean,
  known: boolean,
  asked: Asked | undefined,
): Ticket {
  return {
    token: asked?.token ?? randomUUID(),
    ttlMs: waiter.ttlMs,
    waiter: ofHis ? waiter : undefined,
    channel: asked?.channel ?? '',
    known,
    queued: asked !== undefined && asked.channel !== '',
    asking: false,
    called: false,
    unsure: false,
    over: false,
  }
}

/** A place in the line, as the scripts write it; empty when there is none. */
export function entryOf(token: string, channel: string, ttlMs: number, engine: Engine): string {
  return channel === '' ? '' : `${token} ${channel} ${ttlMs} ${engine.mode}`
}
