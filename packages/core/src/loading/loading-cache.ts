import { describeValue } from '@corral/connection'
import type { Load } from '../engine/load.ts'
import type { Ttl } from '../entry/ttl.ts'
import type { Jsonify } from '../jsonify.ts'
import type { GetOrSetOptions, SetOptions } from '../policy.ts'
import { resolveLoadingOptions, type LoadingOptions } from './loading-options.ts'

/**
 * One kind of value of a cache, by id, that knows how to bring what is missing. It takes a `T`, and
 * gives what JSON brings back of it; with a `schema`, what that makes of it.
 */
export interface LoadingCache<T, Output = Jsonify<T>> {
  /** What its keys begin with, in the cache that it was made of. */
  readonly prefix: string
  /**
   * The cached value, or what the loader brings or sets, or the default. `undefined` when there is
   * none of them. Rejects with what the loader throws if there is no default.
   */
  get(id: string, options?: { readonly signal?: AbortSignal }): Promise<Output | undefined>
  /** Stores a value; false when it was not: Redis cannot take it, or the filter refused it. */
  set(id: string, value: T, ttl?: Ttl): Promise<boolean>
  /** Removes one id; true: it is known to be gone. */
  delete(id: string): Promise<boolean>
  /** Removes all ids; how many went. */
  clear(): Promise<number>
}

/** What a {@link LoadingCache} stands on: some calls of a cache. */
export interface LoadingStore {
  readonly namespace: string
  get(key: string): Promise<unknown>
  set(key: string, value: unknown, options?: Ttl | SetOptions): Promise<boolean>
  delete(key: string): Promise<boolean>
  getOrSet(key: string, load: Load<unknown>, options?: Ttl | GetOrSetOptions): Promise<unknown>
  deletePattern(pattern: string): Promise<number>
}

/** A load under way, and what was set for its id meanwhile. */
interface Run {
  value: unknown
  isSet: boolean
}

/**
 * Makes a {@link LoadingCache}.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function createLoadingCache<T>(
  store: LoadingStore,
  options: LoadingOptions<T>,
): LoadingCache<T> {
  const resolved = resolveLoadingOptions(options)
  const { prefix, filter, transform, log, calls } = resolved
  const { ttl, jitter, staleWhileRevalidate, staleIfError, tags } = calls
  const stored = withoutUndefined({ ttl, jitter, staleWhileRevalidate, staleIfError, tags })
  /** Loads under way in this process, by key. There may be two: a set ends the flight, not the loader. */
  const runs = new Map<string, Set<Run>>()

  function keyOf(id: string): string {
    if (typeof id !== 'string') {
      throw new TypeError(`id: must be a string, received ${describeValue(id)}`)
    }
    const text = resolved.sanitize(id)
    if (typeof text !== 'string') {
      throw new TypeError(`sanitize: must return a string, received ${describeValue(text)}`)
    }
    return prefix + text
  }

  function tell(what: string, key: string): void {
    log?.(`corral: ${what} ${store.namespace}::${key}`)
  }

  async function loadOne(
    id: string,
    key: string,
    context: Parameters<Load<unknown>>[0],
  ): Promise<unknown> {
    const run: Run = { value: undefined, isSet: false }
    const others = runs.get(key) ?? new Set()
    runs.set(key, others.add(run))
    tell('loads', key)
    try {
      const loaded = await resolved.load(id, context)
      if (loaded !== undefined) return prepare(loaded, key, context.skip)
      // The loader has stored it, so that there is nothing left to store.
      if (run.isSet) context.skip()
      return run.value
    } catch (error) {
      tell('could not load', key)
      throw error
    } finally {
      others.delete(run)
      if (others.size === 0) runs.delete(key)
    }
  }

  function prepare(value: T, key: string, refused: () => void): T {
    const prepared = transform === undefined ? value : transform(value)
    if (filter !== undefined && !filter(prepared)) {
      tell('does not store, by its filter,', key)
      refused()
    }
    return prepared
  }

  async function read(id: string, key: string, signal: AbortSignal | undefined): Promise<unknown> {
    if (resolved.deleteOnExpiry) return store.get(key)
    const callOptions = signal === undefined ? calls : { ...calls, signal }
    return store.getOrSet(key, (context) => loadOne(id, key, context), callOptions)
  }

  async function get(id: string, options?: { readonly signal?: AbortSignal }): Promise<unknown> {
    const key = keyOf(id)
    let value: unknown
    try {
      value = await read(id, key, options?.signal)
    } catch (error) {
      if (!resolved.hasDefault || options?.signal?.aborted === true) throw error
    }
    if (value !== undefined || !resolved.hasDefault) return value
    tell('gives the default for', key)
    return resolved.defaultValue
  }

  async function set(id: string, value: T, ownTtl?: Ttl): Promise<boolean> {
    const key = keyOf(id)
    let refused = false
    const prepared =
      value === undefined
        ? value
        : prepare(value, key, () => {
            refused = true
          })
    for (const run of runs.get(key) ?? []) {
      run.value = prepared
      run.isSet = true
    }
    if (refused) return false
    tell('stores', key)
    return store.set(key, prepared, ownTtl === undefined ? stored : { ...stored, ttl: ownTtl })
  }

  return {
    prefix,
    get: get as LoadingCache<T>['get'],
    set,
    async delete(id) {
      const key = keyOf(id)
      tell('deletes', key)
      return store.delete(key)
    },
    async clear() {
      tell('clears', prefix)
      return store.deletePattern(`${prefix}*`)
    },
  }
}

function withoutUndefined(options: {
  readonly [Name in keyof SetOptions]: SetOptions[Name] | undefined
}): SetOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
