import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { SourceId } from '@corral/connection'

/** What a message says of where it comes from. */
export interface Tagged {
  readonly source?: SourceId
  readonly namespace?: string
}

/** Subscribes to channels; returns how to stop. */
export function listen(listeners: Readonly<Record<string, (message: never) => void>>): () => void {
  const all = Object.entries(listeners) as [string, (message: unknown) => void][]
  for (const [name, listener] of all) subscribe(name, listener)
  return () => {
    for (const [name, listener] of all) unsubscribe(name, listener)
  }
}

/**
 * Whether a message is of a source: by identity. One that names no source is taken by its
 * namespace, and when it has none either, it is taken.
 */
export function isOf(id: SourceId | undefined, message: Tagged): boolean {
  const { source, namespace } = message
  if (source !== undefined) return id === undefined || source === id
  return id === undefined || namespace === undefined || namespace === id.name
}
