export { type Clock, systemClock, type TimerHandle } from './clock.ts'
export type {
  Argument,
  Asker,
  BreakerOptions,
  BulkOptions,
  CallOptions,
  Connection,
  ConnectionOptions,
  ConnectionWarning,
  ReadCommand,
} from './connection.ts'
export { describeValue, type Duration, toMilliseconds, toShortMilliseconds } from './duration.ts'
export {
  type ConnectionCode,
  connectionCodes,
  CorralError,
  type CorralErrorOptions,
  isCorralError,
  type UnavailableReason,
} from './errors.ts'
export type { ConnectionHealth, NodeHealth } from './health.ts'
export { encodePart } from './keys/encoding.ts'
export {
  createKeyspace,
  type Keyspace,
  type KeyspaceOptions,
  type Sanitize,
} from './keys/keyspace.ts'
export { ownKey } from './keys/own-key.ts'
export { compilePattern, escapeGlob, type KeyPattern } from './keys/pattern.ts'
export {
  type ClusterTarget,
  type ConnectionTarget,
  openConnection,
  type OwnedConnection,
} from './open-connection.ts'
export {
  defineEachScript,
  defineScript,
  type EachScript,
  type Script,
  type ScriptSource,
} from './script.ts'
export { type ConnectionSource, shareConnection } from './share-connection.ts'
export type {
  ChannelListener,
  KeyListener,
  Signals,
  SignalState,
  Unsubscribe,
} from './signals/signals.ts'
export type { SourceId, StatsSource } from './stats-source.ts'
export type { ConnectionEvents } from './trace.ts'
