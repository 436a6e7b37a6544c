import type { CacheOptions, Duration, GetOrSetOptions } from '../../../src/index.ts'

/** Options of a cache that can be sent to another process. */
export interface OpenOptions {
  readonly port: number
  /** Where the signal connection goes instead. */
  readonly signalsPort?: number
  readonly namespace: string
  readonly near?: CacheOptions['near']
  /** Of each call. @defaultValue '5s', so that a busy machine is not taken for an outage */
  readonly deadline?: Duration
}

/** Options of a call that can be sent. */
export type PlainOptions = Pick<
  GetOrSetOptions,
  'ttl' | 'tags' | 'staleWhileRevalidate' | 'staleIfError' | 'forceFresh' | 'lease'
>

/** What another process does for a test, each with arguments and result that JSON can carry. */
export interface Errands {
  /** Opens the cache that all else is done with; the one before is closed. */
  open(options: OpenOptions): Promise<void>
  signalsOn(): Promise<void>
  signalState(): Promise<string>
  get(key: string): Promise<unknown>
  peek(key: string): Promise<unknown>
  set(key: string, value: unknown, options?: PlainOptions): Promise<boolean>
  delete(key: string): Promise<boolean>
  deleteMany(keys: string[]): Promise<boolean[]>
  expire(key: string, ttl: Duration): Promise<boolean>
  invalidateTags(tags: string[]): Promise<boolean>
  deletePattern(pattern: string): Promise<number>
  clear(options?: { wait?: boolean }): Promise<boolean>
  /** Resolves when the loader has begun; it ends when told. */
  beginLoad(key: string, options?: PlainOptions): Promise<void>
  /** Ends the loader begun last; what its caller got. */
  endLoad(value: unknown): Promise<unknown>
  failLoad(message: string): Promise<string>
  /** `getOrSet` with a loader that brings the value at once. */
  getOrSet(key: string, value: unknown, options?: PlainOptions): Promise<unknown>
  /** Reads until `peek` gives something else than `value`; when that was. */
  untilPeekIsNot(key: string, value: unknown): Promise<number>
  /** Reads as callers do, again and again, for a while: when `value` was last begun to be read. */
  lastSeen(key: string, value: unknown, forMs: number): Promise<number | null>
  stats(): Promise<Record<string, unknown>>
}
