import type { Clock } from '../clock.ts'
import type { SourceId } from '../stats-source.ts'
import type { SignalSource } from './signal-client.ts'
import type { SignalState, Signals } from './signals.ts'

/** What signals need to know of the connection that they belong to. */
export interface SignalsDeps {
  /** Who they are of, in traces. */
  readonly source: SourceId
  readonly clock: Clock
  /** How long the answer to a heartbeat may take, in milliseconds. */
  readonly deadlineMs: number
  /** False: nothing is ever opened or told. */
  readonly enabled: boolean
  /** The client itself when standalone, the client of each master in a cluster. */
  masters(): readonly { readonly name: string; readonly client: SignalSource }[]
  /** False while some slot of a cluster has none of these masters: its keys are told by nobody. */
  complete?(): boolean
  /** Called back when {@link masters} or {@link complete} may have changed. */
  onTopology(listener: () => void): () => void
  /** `run_id` of the server that the shared connection speaks with, as far as it is known. */
  runIds?(name: string): string | undefined
  /** Must not throw. */
  warn(code: 'SIGNALS_UNSUPPORTED', message: string): void
}

/** What `health()` tells about signals. */
export interface SignalsHealth {
  readonly state: SignalState
  readonly tracking: boolean
  /** Why it is lost or was not armed last time, or why keys are not tracked. */
  readonly reason?: string
  readonly nodes: readonly {
    readonly node: string
    readonly state: SignalState
    readonly reason?: string
  }[]
}

/** {@link Signals} with what only their owner uses. */
export interface OwnedSignals extends Signals {
  health(): SignalsHealth
  /** Says that the shared connection is ready (again): tries at once and compares `run_id`. */
  sharedReady(): void
  /** Idempotent; resolves when no socket is left. */
  close(): Promise<void>
}
