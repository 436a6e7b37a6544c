import {
  createKeyspace,
  describeValue,
  shareConnection,
  systemClock,
  type Clock,
  type ConnectionSource,
  type Keyspace,
  type Sanitize,
} from '@corral/connection'
import { ttlMilliseconds, type Ttl } from './entry/ttl.ts'
import { createMemoryTier } from './tiers/memory-tier.ts'
import { createRemoteTier } from './tiers/remote-tier.ts'
import type { Tier } from './tiers/tier.ts'

/**
 * What a call does when Redis cannot answer.
 *
 * - `'degrade'`: a read is a miss, a write tells `false`, `getOrSet` gives the loader's value
 * - `'throw'`: the call rejects with a `CorralError`
 */
export type OnError = 'degrade' | 'throw'

/** How a cache behaves; see each option. */
export interface CacheOptions {
  /**
   * What the cache rides on: an ioredis `Redis` or `Cluster`, a BullMQ `Queue`, `Worker`,
   * `QueueEvents` or `FlowProducer`, a promise of one, or a `Connection`. It is never closed.
   *
   * @defaultValue none: entries live in this process's memory, for development and tests
   */
  readonly connection?: ConnectionSource
  /**
   * Where the entries live in Redis: `<namespace>::<key>`. Not empty, without braces, glob
   * characters, white space or `::`, and not `bull`. May carry a version: `'shop:v1'`.
   */
  readonly namespace: string
  /** How long an entry lives unless its call says otherwise. Over 0, up to 100 years. @defaultValue '1h' */
  readonly ttl?: Ttl
  /** What a call does when Redis cannot answer. @defaultValue 'degrade' */
  readonly onError?: OnError
  /** How keys with white space, braces, `%` or control characters are written. @defaultValue 'encode' */
  readonly sanitize?: Sanitize
  /** Longest Redis key in bytes; longer ones end in a digest. 64 to 65 536. @defaultValue 250 */
  readonly maxKeyLength?: number
  /** Where a cache without `connection` takes time from. @defaultValue the machine's clock */
  readonly clock?: Clock
}

/** {@link CacheOptions} with every default filled in and every rule checked. */
export interface ResolvedCacheOptions {
  readonly keyspace: Keyspace
  readonly tier: Tier
  readonly ttlMs: number
  readonly degrade: boolean
}

const known: ReadonlySet<string> = new Set([
  'connection',
  'namespace',
  'ttl',
  'onError',
  'sanitize',
  'maxKeyLength',
  'clock',
] satisfies (keyof CacheOptions)[])

/**
 * Checks the options of `createCache`; runs once per cache.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveCacheOptions(options: CacheOptions): ResolvedCacheOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      throw new TypeError(`${name}: is no option of createCache (${[...known].join(', ')})`)
    }
  }
  const {
    connection,
    namespace,
    ttl = '1h',
    onError = 'degrade',
    sanitize,
    maxKeyLength,
    clock,
  } = options
  if (onError !== 'degrade' && onError !== 'throw') {
    throw new TypeError(`onError: must be 'degrade' or 'throw', received ${describeValue(onError)}`)
  }
  const keyspace = createKeyspace({
    namespace,
    ...(sanitize !== undefined && { sanitize }),
    ...(maxKeyLength !== undefined && { maxKeyLength }),
  })
  const ttlMs = ttlMilliseconds(ttl)
  // Last, because it registers with the client: nothing is left behind by a wrong option above.
  const tier =
    connection === undefined
      ? createMemoryTier(clock ?? systemClock)
      : createRemoteTier(shareConnection(connection))
  return { keyspace, tier, ttlMs, degrade: onError === 'degrade' }
}
