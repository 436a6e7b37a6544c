import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { SourceId } from '@corral/connection'

/** What a message says of where it comes from. */
export interface Tagged {
  readonly source: SourceId
}

/** Who is listened to. */
export interface Origin {
  /** Read anew for each message: see `Connection`. */
  readonly source: SourceId
}

/** Subscribes to channels; returns how to stop. */
export function listen(listeners: Readonly<Record<string, (message: never) => void>>): () => void {
  const all = Object.entries(listeners) as [string, (message: unknown) => void][]
  for (const [name, listener] of all) subscribe(name, listener)
  return () => {
    for (const [name, listener] of all) unsubscribe(name, listener)
  }
}

/** Whether a message is of an origin, by identity; with none, of whomever. */
export function isOf(origin: Origin | undefined, message: Tagged): boolean {
  return origin === undefined || message.source === origin.source
}
