import { createKeyspace, type ConnectionOptions, type ConnectionTarget } from '@corral/connection'
import { createEnvReader, type Env, type EnvReader } from './env-reader.ts'
import { readRedisTarget } from './redis-target.ts'

/** How long things live that most services cache, in **seconds**. */
export interface UseTtls {
  /** `CACHE_PROFILE_TTL`. @defaultValue 86_400 */
  readonly profile: number
  /** `CACHE_PRESENCE_TTL`. @defaultValue 30 */
  readonly presence: number
  /** `CACHE_TYPING_TTL`. @defaultValue 5 */
  readonly typing: number
  /** `CACHE_SESSION_TTL`. @defaultValue 3_600 */
  readonly session: number
  /** `CACHE_RATE_LIMIT_TTL`: the window of a limit. @defaultValue 60 */
  readonly rateLimit: number
  /** `CACHE_STALE_MARKER_TTL`: for `staleWhileRevalidate`. @defaultValue 300 */
  readonly staleMarker: number
}

/** What {@link cacheOptionsFromEnv} finds. */
export interface EnvOptions {
  /** Where Redis is, for `openConnection`. */
  readonly target: ConnectionTarget
  /** No `REDIS_*` variable was set, so that `target` is this machine's port 6379. */
  readonly targetIsDefault: boolean
  /** For `openConnection` and `shareConnection`. */
  readonly connection: ConnectionOptions
  /** For `createCache`. */
  readonly cache: { readonly namespace: string; readonly maxKeyLength?: number }
  /** For `createLocks`. */
  readonly locks: {
    readonly namespace: string
    readonly ttl?: number
    readonly retry?: { readonly delay?: `${number}ms`; readonly attempts?: number }
  }
  readonly ttls: UseTtls
  /** `CACHE_BATCH_SIZE`: how many keys to give to one bulk call, or to warm at once. @defaultValue 100 */
  readonly batchSize: number
  /** `CACHE_WARMUP_ENABLED`: whether the service is to warm its cache. @defaultValue false */
  readonly warmup: boolean
  /** `CACHE_METRICS_ENABLED`: whether the service is to make metrics. @defaultValue false */
  readonly metrics: boolean
  /** Variables that were set, are right, and change nothing in Corral. */
  readonly ignored: readonly string[]
}

/**
 * Reads the options of a cache, its connection and its locks from the environment.
 *
 * | variable | becomes |
 * | --- | --- |
 * | `REDIS_URL`, or `REDIS_HOST` `REDIS_PORT` `REDIS_PASSWORD` | `target`; the URL goes first |
 * | `REDIS_CLUSTER_ENABLED`, `REDIS_CLUSTER_NODES` | `target`: a cluster |
 * | `BULLMQ_PREFIX` | the namespace `<prefix>:cache`, without the braces of a cluster's prefix; `cache` alone for `bull` |
 * | `CACHE_KEY_PREFIX`, `CACHE_KEY_VERSION`, `CACHE_KEY_SEPARATOR` | the namespace, such as `chat:v1`; the prefix goes before BullMQ's |
 * | `CACHE_MAX_KEY_LENGTH` | `maxKeyLength` |
 * | `CACHE_MAX_LATENCY_MS` | the connection's `deadline` |
 * | `CACHE_CB_FAILURE_THRESHOLD`, `CACHE_CB_RECOVERY_TIMEOUT` | the breaker's `minimum` and `openFor` (milliseconds) |
 * | `CACHE_CB_MONITORING_PERIOD`, `CACHE_CB_HALF_OPEN_MAX_CALLS` | nothing: the breaker judges the last 20 commands and sends one probe; listed in `ignored` |
 * | `CACHE_PROFILE_TTL`, `_PRESENCE_`, `_TYPING_`, `_SESSION_`, `_RATE_LIMIT_`, `_STALE_MARKER_TTL` | `ttls`, in seconds |
 * | `CACHE_LOCK_DEFAULT_TTL`, `CACHE_LOCK_RETRY_DELAY`, `CACHE_LOCK_MAX_RETRIES` | `locks`: seconds, milliseconds, times |
 *
 * An empty variable counts as unset. Times may carry a unit: `'5m'`.
 *
 * @param env usually `process.env`
 * @throws TypeError that lists every wrong variable; passwords and addresses are never in it
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 * import { cacheOptionsFromEnv } from '@corral/core/env'
 *
 * const env = cacheOptionsFromEnv({ BULLMQ_PREFIX: 'shop', CACHE_PROFILE_TTL: '1d' })
 * const cache = createCache(env.cache) // in the namespace shop:cache
 * await cache.set('profile:1', { name: 'Ada' }, env.ttls.profile)
 * await cache.close()
 * ```
 */
export function cacheOptionsFromEnv(env: Env): EnvOptions {
  if (typeof env !== 'object' || env === null) {
    throw new TypeError('env: must be an object such as process.env')
  }
  const read = createEnvReader(env)
  const redis = readRedisTarget(read)
  const cache = readKeys(read)
  const options: EnvOptions = {
    ...redis,
    connection: readConnection(read),
    cache,
    locks: readLocks(read, cache.namespace),
    ttls: {
      profile: read.seconds('CACHE_PROFILE_TTL') ?? 86_400,
      presence: read.seconds('CACHE_PRESENCE_TTL') ?? 30,
      typing: read.seconds('CACHE_TYPING_TTL') ?? 5,
      session: read.seconds('CACHE_SESSION_TTL') ?? 3_600,
      rateLimit: read.seconds('CACHE_RATE_LIMIT_TTL') ?? 60,
      staleMarker: read.seconds('CACHE_STALE_MARKER_TTL') ?? 300,
    },
    batchSize: read.whole('CACHE_BATCH_SIZE', 1, 100_000) ?? 100,
    warmup: read.flag('CACHE_WARMUP_ENABLED') ?? false,
    metrics: read.flag('CACHE_METRICS_ENABLED') ?? false,
    ignored: readIgnored(read),
  }
  if (read.problems.length > 0) {
    throw new TypeError(
      `cacheOptionsFromEnv: ${read.problems.length === 1 ? 'a variable is' : `${read.problems.length} variables are`} wrong\n  ${read.problems.join('\n  ')}`,
    )
  }
  return options
}

function readConnection(read: EnvReader): ConnectionOptions {
  const deadline = read.milliseconds('CACHE_MAX_LATENCY_MS', 10, 60_000)
  const minimum = read.whole('CACHE_CB_FAILURE_THRESHOLD', 1, 20)
  const openFor = read.milliseconds('CACHE_CB_RECOVERY_TIMEOUT', 10, 60_000)
  const breaker = {
    ...(minimum !== undefined && { minimum }),
    ...(openFor !== undefined && { openFor: `${openFor}ms` as const }),
  }
  return {
    ...(deadline !== undefined && { deadline: `${deadline}ms` as const }),
    ...(Object.keys(breaker).length > 0 && { breaker }),
  }
}

function readKeys(read: EnvReader): EnvOptions['cache'] {
  const own = read.text('CACHE_KEY_PREFIX')
  // In a cluster BullMQ wants its prefix in braces, which a namespace cannot have.
  const queue = read.text('BULLMQ_PREFIX')?.replace(/^\{(.+)\}$/, '$1')
  const version = read.text('CACHE_KEY_VERSION')
  const separator = read.text('CACHE_KEY_SEPARATOR') ?? ':'
  const maxKeyLength = read.whole('CACHE_MAX_KEY_LENGTH', 64, 65_536)
  // `bull` is what BullMQ takes by itself; Corral stays out of everything below it.
  const shared = queue === undefined || queue === 'bull' ? 'cache' : `${queue}:cache`
  const prefix = own ?? shared
  const namespace = version === undefined ? prefix : `${prefix}${separator}${version}`
  const options = { namespace, ...(maxKeyLength !== undefined && { maxKeyLength }) }
  try {
    createKeyspace(options)
  } catch (error) {
    const name = own === undefined ? 'BULLMQ_PREFIX' : 'CACHE_KEY_PREFIX'
    read.wrong(name, `gives a namespace that cannot be used; ${(error as Error).message}`)
  }
  return options
}

function readLocks(read: EnvReader, namespace: string): EnvOptions['locks'] {
  const ttl = read.seconds('CACHE_LOCK_DEFAULT_TTL')
  if (ttl !== undefined && (ttl < 0.05 || ttl > 86_400)) {
    read.wrong('CACHE_LOCK_DEFAULT_TTL', 'must be 50 ms to one day')
  }
  const delay = read.milliseconds('CACHE_LOCK_RETRY_DELAY', 5, 60_000)
  const attempts = read.whole('CACHE_LOCK_MAX_RETRIES', 0, 100_000)
  const retry = {
    ...(delay !== undefined && { delay: `${delay}ms` as const }),
    ...(attempts !== undefined && { attempts }),
  }
  return {
    namespace,
    ...(ttl !== undefined && { ttl }),
    ...(Object.keys(retry).length > 0 && { retry }),
  }
}

function readIgnored(read: EnvReader): string[] {
  const period = read.milliseconds('CACHE_CB_MONITORING_PERIOD', 1, 86_400_000)
  const calls = read.whole('CACHE_CB_HALF_OPEN_MAX_CALLS', 1, 1_000)
  return [
    ...(period === undefined ? [] : ['CACHE_CB_MONITORING_PERIOD']),
    ...(calls === undefined ? [] : ['CACHE_CB_HALF_OPEN_MAX_CALLS']),
  ]
}
