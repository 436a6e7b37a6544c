import type { Clock } from './clock.ts'
import type { CorralError } from './errors.ts'
import type { Duration } from './duration.ts'
import type { ConnectionHealth } from './health.ts'
import type { EachScript, Script } from './script.ts'
import type { Signals } from './signals/signals.ts'
import type { SourceId } from './stats-source.ts'

/** What one argument of a command may be; everything else is serialised before it comes here. */
export type Argument = string | number | Buffer

/** Options of a single call. */
export interface CallOptions {
  /** How long the caller waits for an answer. Default: the connection's `deadline`. */
  readonly deadlineMs?: number
}

/**
 * Options of a call over many keys, which may fail in part. More than 2,000 keys go 2,000 at a time,
 * each of these with the whole deadline, so that a call of any size passes on a healthy server. What
 * is written meanwhile by other calls may come between them.
 */
export interface BulkOptions extends CallOptions {
  /**
   * Told for which keys Redis did not answer, and why; their elements of the result are `null`.
   * Left out: the whole call rejects when a part of it fails.
   */
  readonly onPartialFailure?: (error: CorralError, keys: readonly string[]) => void
}

/** A read-only command that is none of the batched ones: `HGET`, `LRANGE`, `PTTL` … */
export interface ReadCommand {
  /** One of Redis's own that changes nothing and has its key first; any other is a TypeError. */
  readonly name: string
  /** The key that decides where the command goes in a cluster. Also the first argument. */
  readonly key: string
  /** What follows the key. */
  readonly args?: readonly Argument[]
  /** `'utf8'` (default) or raw bytes. */
  readonly encoding?: 'utf8' | 'buffer'
}

/** Who asks for a value by call-back: told exactly once, in one of the two ways, a refusal at once. */
export interface Asker {
  /** What stands at the key; to be read at once, as the bytes are a part of what the socket brought. */
  onBytes(bytes: Buffer | null): void
  onError(error: CorralError): void
}

/**
 * A Redis connection that can be used beside BullMQ: every call is bounded by its deadline, nothing
 * enters the client's offline queue, a write that was reported failed has no effect later.
 *
 * Every method rejects with `REDIS_UNAVAILABLE` when Redis cannot answer in time, `REDIS_FULL`,
 * `WRONG_TYPE`, `VALUE_TOO_LARGE`, `REDIS_REPLY` for other error replies, and
 * `CONNECTION_CLOSED` after `close()`.
 */
export interface Connection {
  /**
   * Tells what is published of this connection from that of others; the same for all handles on one
   * client. A client that came by a promise may turn out to be one that others share: read it anew.
   */
  readonly source: SourceId
  /** True for a Redis Cluster. */
  readonly isCluster: boolean
  readonly clock: Clock
  /** Milliseconds a call waits unless it says otherwise. */
  readonly deadlineMs: number
  /** Most bytes of a value, of one argument of a script, and of a message. */
  readonly maxValueBytes: number
  /**
   * Whether every server can be asked at once. `false` also during the first connect, when a call
   * waits for it within its deadline, and in a cluster while one node is away and others answer: so
   * it tells whether work that needs Redis is worth beginning, not whether a call would be refused.
   */
  readonly available: boolean
  /**
   * The clock of the server that holds `key`, in epoch milliseconds with fractions; never ahead of
   * it. Undefined while it is not known.
   */
  serverNow(key: string): number | undefined

  /** The string at `key`, or `null`; calls of one tick share one MGET. Another type reads as `null`. */
  get(key: string, options?: CallOptions): Promise<string | null>
  /**
   * As {@link getBuffer}, told by call-back: for layers that make a promise of their own and would
   * otherwise pay for two.
   */
  ask(key: string, asker: Asker, options?: CallOptions): void
  /** As {@link get}, but raw bytes. */
  getBuffer(key: string, options?: CallOptions): Promise<Buffer | null>
  /** Many keys, in order; chunked, and in a cluster sent to each node at once. */
  getMany(keys: readonly string[], options?: BulkOptions): Promise<(string | null)[]>
  getManyBuffer(keys: readonly string[], options?: BulkOptions): Promise<(Buffer | null)[]>
  /** Any other read; calls of one tick share one socket write. */
  read(command: ReadCommand, options?: CallOptions): Promise<unknown>

  /** Runs a mutating script under the call's deadline. All keys must lie in one slot. */
  script(
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
    options?: CallOptions,
  ): Promise<unknown>
  /**
   * Runs an {@link EachScript} for one key; calls of one tick with the same script share one
   * EVALSHA (up to 100, per slot in a cluster). Resolves with that key's element of the reply.
   */
  scriptEach(
    script: EachScript,
    key: string,
    args: readonly Argument[],
    options?: CallOptions,
  ): Promise<unknown>
  /**
   * Runs an {@link EachScript} for many keys in chunks of 100 (per slot in a cluster). `args` holds
   * the arguments of each key, as many for each, one after another. With `onPartialFailure` an element that
   * Redis refused to write is its `CorralError`.
   */
  scriptMany(
    script: EachScript,
    keys: readonly string[],
    args: readonly Argument[],
    options?: BulkOptions,
  ): Promise<unknown[]>

  /** Stores a string or bytes; `ttlMs`, rounded up, is over 0; left out it means for ever. */
  set(
    key: string,
    value: string | Buffer,
    options?: CallOptions & { readonly ttlMs?: number },
  ): Promise<void>
  /** Removes a key; true if it was there. Works while Redis is full. */
  delete(key: string, options?: CallOptions): Promise<boolean>

  /** PUBLISH; resolves when Redis has it. Subscribe through {@link signals}. */
  publish(channel: string, message: string, options?: CallOptions): Promise<void>
  /**
   * Keys of all masters that match a glob, in pages as Redis gives them (a key may come twice).
   * The pattern is the caller's to escape; see `escapeGlob`.
   */
  scan(
    pattern: string,
    options?: CallOptions & { readonly count?: number },
  ): AsyncIterable<string[]>
  /** INFO of each master, as text, by node name (`host:port`). */
  info(section?: string, options?: CallOptions): Promise<ReadonlyMap<string, string>>

  /** What changed in Redis, told by Redis itself; opened lazily by the first listener. */
  readonly signals: Signals
  /**
   * Called whenever {@link available} changes, and not for what it is already: ask that first. What a
   * listener throws is an uncaught exception. Returns how to stop listening.
   */
  onAvailability(listener: (available: boolean) => void): () => void

  health(): Promise<ConnectionHealth>
  /** Refuses every call until {@link reset}: Redis can be taken out by hand. */
  isolate(): void
  /** Ends {@link isolate} and closes every breaker. */
  reset(): void
  /**
   * Ends this handle. The last handle removes Corral's listeners and its signal connection; a
   * borrowed client stays open, one of `openConnection` is closed. Idempotent.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How a connection behaves; see each option. */
export interface ConnectionOptions {
  /** How long a call may take before it counts as failed. 10 ms to 60 s. @defaultValue '200ms' */
  readonly deadline?: Duration
  /** Most commands in flight, per node in a cluster. 1 to 100 000. @defaultValue 256 */
  readonly maxPending?: number
  /** Most calls that wait for a place in flight; beyond it calls are refused. @defaultValue 10_000 */
  readonly maxQueued?: number
  /** Most bytes of unanswered writes in flight, per node. @defaultValue 8 MiB */
  readonly maxPendingBytes?: number
  /**
   * Most bytes of a value, of one argument of a script, and of a message: keeps BullMQ's renewals
   * punctual. A call with a larger one rejects and sends nothing. @defaultValue 1 MiB
   */
  readonly maxValueBytes?: number
  readonly breaker?: BreakerOptions
  /** Whether a second connection may be opened to hear what changed. @defaultValue true */
  readonly signals?: boolean
  /** Where time comes from. @defaultValue the machine's clock */
  readonly clock?: Clock
  /** Told once each what the owner of the connection should know. @defaultValue process.emitWarning */
  readonly onWarning?: (warning: ConnectionWarning) => void
}

/** When calls are refused without trying. */
export interface BreakerOptions {
  /** Share of failures among the last 20 commands that opens it, over 0 up to 1. @defaultValue 0.5 */
  readonly threshold?: number
  /** Fewest commands before the share counts. 1 to 20. @defaultValue 5 */
  readonly minimum?: number
  /** How long it stays open before one probe is sent. 10 ms to 60 s. @defaultValue '500ms' */
  readonly openFor?: Duration
}

/** Something worth changing in how the connection was made, or in the server's settings. */
export interface ConnectionWarning {
  readonly code:
    | 'COMMAND_TIMEOUT'
    | 'AUTO_RESEND_OFF'
    | 'MAXMEMORY_POLICY'
    | 'SENTINEL_FAILOVER_DETECTOR'
    | 'SOCKET_TIMEOUT'
    | 'SIGNALS_UNSUPPORTED'
  readonly message: string
}
