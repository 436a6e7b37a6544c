import {
  createKeyspace,
  describeValue,
  type ConnectionSource,
  type Keyspace,
} from '@corral/connection'
import type { OnError } from '../../options.ts'

/** A copy of what is read most, in this process. */
export interface KeyvNearOptions {
  /** Most entries kept; the ones used longest ago go. 1 to 10 000 000. @defaultValue 10_000 */
  readonly maxEntries?: number
  /** Longest life of an entry in this process, in milliseconds. 1 to one day. @defaultValue 60_000 */
  readonly ttl?: number
}

/** How a Keyv store behaves; see each option. Times are **milliseconds**, as everywhere in Keyv. */
export interface KeyvStoreOptions {
  /**
   * What the store rides on: an ioredis `Redis` or `Cluster`, a BullMQ `Queue`, `Worker`,
   * `QueueEvents` or `FlowProducer`, a promise of one, or a `Connection`. It is never closed.
   */
  readonly connection: ConnectionSource
  /**
   * Where the entries live: `<namespace>::<key>`. Not empty, without braces, glob characters, white
   * space or `::`, and not `bull`. A Keyv that is given a namespace of its own puts that in its place;
   * `'keyv'`, the name that Keyv 5 gives itself when nobody gives it one, does not.
   *
   * @defaultValue none: the Keyv has to bring one
   */
  readonly namespace?: string
  /**
   * How long an entry lives that Keyv gives no time, in milliseconds. 0 keeps it without end: then
   * the database only grows, and under `noeviction` it fills up. @defaultValue 0, as Keyv has it
   */
  readonly ttl?: number
  /**
   * What a call does when Redis cannot answer: `'degrade'` emits `error` and answers as if the key
   * were absent or the write had not been done; `'throw'` rejects. @defaultValue 'degrade'
   */
  readonly onError?: OnError
  /**
   * Keeps what was read in this process too, and follows every change in Redis by its signals, over
   * one more connection. While that is lost, nothing is served from here. @defaultValue false
   */
  readonly near?: boolean | KeyvNearOptions
  /** Share of the server's `maxmemory` from which on no values are stored. Over 0 to 1. @defaultValue 0.8 */
  readonly maxMemoryShare?: number
  /** Longest Redis key in bytes; longer ones end in a digest. 64 to 65 536. @defaultValue 250 */
  readonly maxKeyLength?: number
}

/** {@link KeyvStoreOptions} checked and completed. */
export interface ResolvedKeyvStoreOptions {
  readonly connection: ConnectionSource
  readonly namespace: string | undefined
  /** `0`: without end. */
  readonly ttlMs: number
  readonly degrade: boolean
  readonly near: ResolvedKeyvNear | undefined
  readonly maxMemoryShare: number
  readonly keyspaceOf: (namespace: string) => Keyspace
}

/** {@link KeyvNearOptions} checked and completed. */
export interface ResolvedKeyvNear {
  readonly maxEntries: number
  readonly ttlMs: number
}

const known: ReadonlySet<string> = new Set([
  'connection',
  'namespace',
  'ttl',
  'onError',
  'near',
  'maxMemoryShare',
  'maxKeyLength',
] satisfies (keyof KeyvStoreOptions)[])

/** PX takes more, but nobody caches for longer than 100 years. */
const longestMs = 100 * 365 * 24 * 3_600_000

/**
 * Checks the options of `createKeyvStore`; runs once per store.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveKeyvStoreOptions(options: KeyvStoreOptions): ResolvedKeyvStoreOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      throw new TypeError(`${name}: is no option of createKeyvStore (${[...known].join(', ')})`)
    }
  }
  const { connection, namespace, ttl = 0, onError = 'degrade', near } = options
  const { maxMemoryShare = 0.8, maxKeyLength } = options
  if (typeof connection !== 'object' || connection === null) {
    throw new TypeError(
      `connection: must be an ioredis client, a BullMQ queue or a Connection, received ${describeValue(connection)}`,
    )
  }
  if (onError !== 'degrade' && onError !== 'throw') {
    throw new TypeError(`onError: must be 'degrade' or 'throw', received ${describeValue(onError)}`)
  }
  if (typeof maxMemoryShare !== 'number' || !(maxMemoryShare > 0 && maxMemoryShare <= 1)) {
    throw new RangeError(
      `maxMemoryShare: must be over 0 and at most 1, received ${describeValue(maxMemoryShare)}`,
    )
  }
  const keyspaceOf = (name: string): Keyspace =>
    createKeyspace({ namespace: name, ...(maxKeyLength !== undefined && { maxKeyLength }) })
  if (namespace !== undefined) keyspaceOf(namespace)
  return {
    connection,
    namespace,
    ttlMs: checkTtl(ttl),
    degrade: onError === 'degrade',
    near: resolveNear(near),
    maxMemoryShare,
    keyspaceOf,
  }
}

function resolveNear(near: boolean | KeyvNearOptions | undefined): ResolvedKeyvNear | undefined {
  if (near === undefined || near === false) return undefined
  const given = near === true ? {} : near
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(
      `near: must be true, false or { maxEntries, ttl }, received ${describeValue(given)}`,
    )
  }
  for (const name of Object.keys(given)) {
    if (name !== 'maxEntries' && name !== 'ttl') {
      throw new TypeError(`near.${name}: is no option (maxEntries, ttl)`)
    }
  }
  const { maxEntries = 10_000, ttl = 60_000 } = given
  if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > 10_000_000) {
    throw new RangeError(
      `near.maxEntries: must be a whole number from 1 to 10000000, received ${describeValue(maxEntries)}`,
    )
  }
  if (typeof ttl !== 'number' || !(ttl >= 1 && ttl <= 86_400_000)) {
    throw new RangeError(
      `near.ttl: must be 1 to 86400000 milliseconds, received ${describeValue(ttl)}`,
    )
  }
  return { maxEntries, ttlMs: ttl }
}

function checkTtl(ttl: number): number {
  if (typeof ttl !== 'number' || !(ttl >= 0)) {
    throw new TypeError(
      `ttl: must be a number of milliseconds that is not negative, received ${describeValue(ttl)}`,
    )
  }
  return px(ttl)
}

/** As PX takes it: whole, bounded; 0 = without end. */
export function px(ttlMs: number): number {
  return ttlMs > longestMs ? 0 : Math.ceil(ttlMs)
}
