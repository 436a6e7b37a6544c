import { subscribe, unsubscribe } from 'node:diagnostics_channel'

export interface TraceEvent {
  /** Name of the channel: `corral:<package>:<event>`. */
  name: string
  message: unknown
}

export interface TraceRecorder extends Disposable {
  /** What came so far, oldest first. */
  readonly events: readonly TraceEvent[]
  /** Messages of one channel. */
  of(name: string): unknown[]
  clear(): void
  /** Stops listening; what was recorded stays readable. */
  stop(): void
}

/**
 * Records what is published on diagnostics channels. Channels have no wildcard: name each of them,
 * in full or as `recordTrace(['breaker', 'late'], 'corral:connection:')` with a common prefix.
 */
export function recordTrace(channels: readonly string[], prefix = ''): TraceRecorder {
  const events: TraceEvent[] = []
  const names = channels.map((channel) => prefix + channel)
  const listener = (message: unknown, name: string | symbol): void => {
    events.push({ name: String(name), message })
  }
  for (const name of names) subscribe(name, listener)
  const stop = (): void => {
    for (const name of names) unsubscribe(name, listener)
  }
  return {
    events,
    of: (name) => events.filter((event) => event.name === prefix + name).map((e) => e.message),
    clear: () => void events.splice(0),
    stop,
    [Symbol.dispose]: stop,
  }
}
