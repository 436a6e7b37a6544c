import { describeValue, type Argument, type Keyspace } from '@corral/connection'
import type { Failures } from '../engine/failures.ts'
import { ttlMilliseconds, type Ttl } from '../entry/ttl.ts'
import { requireKnownOptions } from '../known-options.ts'
import type { StructureRead, StructureStore, StructureWrite } from './structure-store.ts'

/** Options of `asHash`, `asList` and `asSet`. */
export interface StructureOptions {
  /**
   * How long the structure lives from the call on that creates it; later calls do not prolong it.
   * `'forever'` by name. @defaultValue the cache's `ttl`
   */
  readonly ttl?: Ttl
}

/** What structures stand on. */
export interface StructureDeps {
  readonly keyspace: Keyspace
  readonly store: StructureStore
  /** The cache's ttl. */
  readonly ttlMs: number
  readonly failures: Failures
  /** Told before a key is written, so that no copy or load of it outlives the write. */
  readonly changing: (redisKey: string) => void
}

/** One key of a cache, and what may be done with the structure there. */
export interface StructureAccess {
  readonly key: string
  /** What `decode` makes of the reply; `absent` when Redis cannot answer under `'degrade'`. */
  read<T>(
    command: StructureRead,
    args: readonly Argument[],
    decode: (reply: unknown) => T,
    absent: T,
  ): Promise<T>
  /** Rejects when Redis cannot do it, whatever `onError` says: a change must not get lost unseen. */
  write(command: StructureWrite, args: readonly Argument[]): Promise<unknown>
}

/**
 * @throws TypeError or RangeError for a wrong key or ttl
 */
export function accessStructure(
  deps: StructureDeps,
  key: string,
  options: StructureOptions | undefined,
): StructureAccess {
  const { keyspace, store, failures, changing } = deps
  requireKnownOptions(options, 'a structure', ['ttl'])
  const redisKey = keyspace.key(key)
  const ttlMs = options?.ttl === undefined ? deps.ttlMs : ttlMilliseconds(options.ttl)

  return {
    key,
    async read(command, args, decode, absent) {
      let reply: unknown
      try {
        reply = await store.read(redisKey, command, args)
      } catch (error) {
        failures.absorb('get', error)
        return absent
      }
      return decode(reply)
    },
    async write(command, args) {
      changing(redisKey)
      try {
        return await store.write(redisKey, command, args, ttlMs)
      } catch (error) {
        failures.note('set', error)
        throw error
      }
    },
  }
}

/**
 * @throws TypeError naming the argument
 */
export function textArgument(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw new TypeError(`${name}: must be a string, received ${describeValue(value)}`)
}

/**
 * @throws TypeError for no number, RangeError for one that is not whole or beyond 2^53
 */
export function wholeArgument(name: string, value: unknown): number {
  if (typeof value !== 'number') {
    throw new TypeError(`${name}: must be a whole number, received ${describeValue(value)}`)
  }
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`${name}: must be a safe whole number, received ${describeValue(value)}`)
  }
  return value
}
