import { describeValue } from '@corral/connection'
import type { Ttl } from '../entry/ttl.ts'
import type { GetOrSetOptions, ResolveCall } from '../policy.ts'
import { requireArray } from '../require-array.ts'
import type { Obtain } from './get-or-set.ts'
import type { Load } from './load.ts'
import type { Parts } from './parts.ts'

/** What a loader of many keys is given. */
export interface LoadManyContext {
  /** The `signal` of the call, if it has one. */
  readonly signal: AbortSignal | undefined
}

/**
 * Brings the values of keys that are not cached: in their order, or by key. What is missing or
 * `undefined` is handed out as `undefined` and not stored.
 */
export type LoadMany<T> = (
  keys: readonly string[],
  context: LoadManyContext,
) => LoadedMany<T> | Promise<LoadedMany<T>>

export type LoadedMany<T> =
  | readonly (T | undefined)[]
  | ReadonlyMap<string, T | undefined>
  | Readonly<Record<string, T | undefined>>

export interface GetOrSetMany {
  (
    keys: readonly string[],
    loadMissing: LoadMany<unknown>,
    options?: Ttl | GetOrSetOptions<never>,
  ): Promise<unknown[]>
}

/**
 * `getOrSet` of each key, whose reads, leases and fills go together as those of one tick do, and whose
 * loads are gathered: keys that turn out missing together are loaded by one call.
 */
export function createGetOrSetMany(
  parts: Parts,
  resolve: ResolveCall,
  obtain: Obtain,
): GetOrSetMany {
  const { keyspace } = parts
  return async function getOrSetMany(keys, loadMissing, options) {
    requireArray(keys, 'keys')
    const policy = resolve(options)
    if (typeof loadMissing !== 'function') {
      throw new TypeError(`loadMissing: must be a function, received ${describeValue(loadMissing)}`)
    }
    const redisKeys = keys.map((key) => keyspace.key(key))
    const load = gather(parts, loadMissing, { signal: policy.signal })
    return Promise.all(
      keys.map((key, index) => obtain(key, redisKeys[index] as string, load, policy, true)),
    )
  }
}

interface Asked {
  readonly key: string
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A loader for one key that waits for others to be asked for, and brings them all together. */
function gather(
  { slots, counters }: Parts,
  loadMissing: LoadMany<unknown>,
  context: LoadManyContext,
): Load<unknown> {
  let asked: Asked[] = []

  async function loadAll(): Promise<void> {
    const batch = asked
    asked = []
    await slots.take()
    try {
      const keys = batch.map(({ key }) => key)
      counters.loads++
      const valueAt = finderOf(await loadMissing(keys, context), keys.length)
      batch.forEach(({ key, resolve }, index) => resolve(valueAt(key, index)))
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      slots.free()
    }
  }

  return ({ key }) =>
    new Promise((resolve, reject) => {
      // Replies that came together are all read by then.
      if (asked.length === 0) setImmediate(() => void loadAll())
      asked.push({ key, resolve, reject })
    })
}

function finderOf(
  loaded: LoadedMany<unknown>,
  count: number,
): (key: string, index: number) => unknown {
  if (Array.isArray(loaded)) {
    if (loaded.length === count) return (_key, index) => loaded[index] as unknown
    throw new TypeError(
      `loadMissing: must give as many values as it was given keys (${count}), received ${loaded.length}`,
    )
  }
  if (loaded instanceof Map) return (key) => loaded.get(key) as unknown
  if (typeof loaded === 'object' && loaded !== null) {
    const byKey = loaded as Readonly<Record<string, unknown>>
    return (key) => (Object.hasOwn(byKey, key) ? byKey[key] : undefined)
  }
  throw new TypeError(
    `loadMissing: must give an array, a Map or an object, received ${describeValue(loaded)}`,
  )
}
