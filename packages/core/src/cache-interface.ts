import type { Connection, ConnectionHealth, StatsSource } from '@corral/connection'
import type { Counting } from './counters/counting.ts'
import type { ClearOptions } from './engine/invalidating.ts'
import type { LoadMany } from './engine/get-or-set-many.ts'
import type { Load } from './engine/load.ts'
import type { SetEntry } from './engine/writes.ts'
import type { Ttl } from './entry/ttl.ts'
import type { Jsonify } from './jsonify.ts'
import type { LoadingCache } from './loading/loading-cache.ts'
import type { LoadingOptions } from './loading/loading-options.ts'
import type { ChildOptions } from './options.ts'
import type { GetOrSetOptions, SetOptions } from './policy.ts'
import type { Checked, CheckedGetOrSetOptions } from './schema/checked-options.ts'
import type { StandardSchema } from './schema/standard-schema.ts'
import type { CacheStats, Counts } from './stats.ts'
import type { Structures } from './structures/structures.ts'
import type { WarmEntries, WarmOptions, WarmResult } from './warm/warm.ts'

/**
 * A cache in one namespace of Redis, or in memory.
 *
 * A miss is `undefined`; `null`, `false`, `0` and `''` are values. Under `onError: 'degrade'` no call
 * rejects because of Redis. Every call rejects with a `TypeError` or `RangeError` for a wrong argument.
 */
export interface Cache extends Counting, Structures, StatsSource<Counts> {
  readonly namespace: string
  /** What it rides on; `undefined` without Redis. It ends with the cache, the client stays open. */
  readonly connection: Connection | undefined
  /** The value at `key`, or `undefined`. */
  get<T = unknown>(key: string): Promise<T | undefined>
  /**
   * The values of many keys, in their order.
   *
   * @param onUnavailable told which keys Redis could not answer for: they may not be missing at all
   */
  getMany<T = unknown>(
    keys: readonly string[],
    onUnavailable?: (keys: readonly string[]) => void,
  ): Promise<(T | undefined)[]>
  /** The value at `key` if this process has a fresh copy (`near`); asks nobody, makes no promise. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as `get`: the caller knows
  peek<T = unknown>(key: string): T | undefined
  /** Whether `get` would find a value. */
  has(key: string): Promise<boolean>
  /** Seconds that an entry is still fresh; `Infinity` without an end, `undefined` when there is none. */
  ttl(key: string): Promise<number | undefined>
  /**
   * Stores a value. True when Redis has it; `undefined` is never stored. When it is not stored, an
   * older value is taken away instead of being served on.
   *
   * @throws CorralError `UNSERIALIZABLE_VALUE`
   */
  set(key: string, value: unknown, ttl?: Ttl | SetOptions): Promise<boolean>
  /** Stores many values; whether each was stored, in their order. */
  setMany(entries: readonly SetEntry[], ttl?: Ttl | SetOptions): Promise<boolean[]>
  /**
   * Removes a key. True: it is known to be gone, also if it was absent. False: not acknowledged; this
   * process serves it no more, and it is removed when Redis is back.
   */
  delete(key: string): Promise<boolean>
  /** Removes many keys; whether each is known to be gone, in their order. */
  deleteMany(keys: readonly string[]): Promise<boolean[]>
  /** Gives an entry a new time to live from now on. False: there is none. */
  expire(key: string, ttl: Ttl): Promise<boolean>
  /** With a `schema`: what that makes of the value, or the `fallback` as it is. */
  getOrSet<T, Output, Fallback = never>(
    key: string,
    load: Load<T>,
    options: CheckedGetOrSetOptions<NoInfer<T>, Output, Fallback>,
  ): Promise<Checked<T, Output> | Fallback>
  /**
   * The value at `key`, or what `load` brings, which is then stored. However many callers in however
   * many processes ask for a key at once, `load` runs once. What it throws reaches all who share the
   * call; nothing is stored then, nor when it returns `undefined`.
   *
   * All get the value as JSON gives it back, so that the first caller sees what later ones will.
   */
  getOrSet<T>(
    key: string,
    load: Load<T>,
    options?: Ttl | GetOrSetOptions<NoInfer<T>>,
  ): Promise<Jsonify<T>>
  /** With a `schema`: what that makes of each value, or the `fallback` as it is. */
  getOrSetMany<T, Output, Fallback = never>(
    keys: readonly string[],
    loadMissing: LoadMany<T>,
    options: CheckedGetOrSetOptions<NoInfer<T>, Output, Fallback>,
  ): Promise<(Output | Fallback | undefined)[]>
  /**
   * The values of many keys, in their order; `loadMissing` brings those that are not cached, together.
   * Each key has the guarantees of `getOrSet`.
   */
  getOrSetMany<T>(
    keys: readonly string[],
    loadMissing: LoadMany<T>,
    options?: Ttl | GetOrSetOptions<NoInfer<T>>,
  ): Promise<(Jsonify<T> | undefined)[]>
  /**
   * Takes away every entry with one of these tags, in every process, by one command. True:
   * acknowledged. False: in force in this process, and remembered for when Redis is back.
   *
   * It holds for as long as the longest ttl that this process knows of, and a day at least: a process
   * that invalidates the tags of entries that live longer must read or write such entries, or be
   * given their ttl as its cache's.
   */
  invalidateTags(tags: readonly string[]): Promise<boolean>
  /**
   * Takes away everything in this namespace, at once; the memory is freed behind it. The result is as
   * that of `invalidateTags`.
   */
  clear(options?: ClearOptions): Promise<boolean>
  /**
   * Removes the keys that match a pattern (`*`, `?`), or without a wildcard a key and all below it at
   * a `:`. How many went; what could not be reached is remembered for when Redis is back.
   */
  deletePattern(pattern: string): Promise<number>
  /** The keys that match a pattern, as they were given; those that are stored as a digest are left out. */
  keys(pattern?: string): AsyncIterable<string>
  /**
   * Brings entries into the cache before they are asked for, a few at a time. What is cached already
   * stays as it is; an entry that fails is told by its key and does not stop the others.
   */
  warm(entries: WarmEntries, options?: WarmOptions): Promise<WarmResult>
  /** With a `schema`: `get` gives what that makes of the value, or the `defaultValue` as it is. */
  loading<T, Output, Default = never>(
    options: LoadingOptions<T, Default> & {
      readonly schema: StandardSchema<Output>
      readonly onExpiry?: 'load'
    },
  ): LoadingCache<T, Output | Default>
  /** One kind of value by id, with what brings a missing one. */
  loading<T>(options: LoadingOptions<T>): LoadingCache<T>
  /**
   * A cache in the namespace `<namespace>:<name>`, on the same connection. Ends with this one; one
   * that is made for a request is to be closed with it.
   */
  child(name: string, options?: ChildOptions): Cache
  /** Counts of this cache since it was made, and figures of the server. Does not reject. */
  stats(): Promise<CacheStats>
  /** Whether Redis answers, and how fast. */
  health(): Promise<ConnectionHealth>
  /** Ends this cache and its children; the client it was given stays open. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
