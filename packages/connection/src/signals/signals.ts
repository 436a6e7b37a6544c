/**
 * - `off`: nobody listens, no connection is open
 * - `arming`: the connection is being opened; what is heard is not complete yet
 * - `on`: every change since this state began is told
 * - `lost`: changes may have been missed; do not trust copies until it is `on` again
 */
export type SignalState = 'off' | 'arming' | 'on' | 'lost'

/**
 * What a listener to a prefix of keys is told. What it throws, or rejects with, is caught and told
 * on the trace channel `corral:connection:warning`. A change may be told more than once.
 */
export interface KeyListener {
  /** Keys below the prefix that were written, deleted, evicted or expired, by anybody. */
  keys(keys: readonly string[]): void
  /** Everything may have changed (FLUSHALL, or a gap): drop all copies. */
  flush(): void
  /**
   * How far this prefix is told: `arming`, then `on` (always preceded by a {@link flush}) and
   * `lost` in turns, `off` when the connection is closed. Copies may be trusted between `on` and the
   * next other state. Never `on` where the server cannot track keys.
   */
  state(state: SignalState): void
}

/** What a listener to a channel is told. */
export interface ChannelListener {
  message(message: string): void
  /** As {@link KeyListener.state}, for this channel. */
  state?(state: SignalState): void
}

/** Ends a subscription. Idempotent. */
export type Unsubscribe = () => void

/**
 * Changes told by Redis itself over one connection of its own (one per master in a cluster):
 * CLIENT TRACKING in broadcast mode for keys, PUBLISH for channels.
 */
export interface Signals {
  /**
   * Of everything asked for together: `arming` also while a prefix is added, which the listeners to
   * the others do not notice.
   */
  readonly state: SignalState
  /** False on servers without CLIENT TRACKING: then only channels work. */
  readonly tracking: boolean
  /**
   * Tells about every key that starts with `prefix`. Prefixes in force at one time must not
   * overlap, other than being equal.
   *
   * @throws TypeError when the prefix is empty or overlaps another in force
   */
  watch(prefix: string, listener: KeyListener): Unsubscribe
  /** Tells about every message published to `channel`. */
  subscribe(channel: string, listener: ChannelListener): Unsubscribe
  /**
   * Resolves when everything asked for so far is `on`.
   *
   * @throws CorralError `REDIS_UNAVAILABLE` after `timeoutMs`, or at once when the server refuses a
   * part of it; `CONNECTION_CLOSED`
   */
  whenOn(timeoutMs: number): Promise<void>
}
