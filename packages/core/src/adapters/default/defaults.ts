import { describeValue, openConnection, type Connection } from '@corral/connection'
import { createCache, type Cache } from '../../cache.ts'
import { resolveCacheOptions, type CacheOptions } from '../../options.ts'
import { cacheOptionsFromEnv } from '../env/index.ts'

/** What the default caches have in common; each option is one of `createCache`. */
export type DefaultsOptions = Partial<CacheOptions>

/** What has been opened by the first call, and is shared by all default caches. */
interface Ground {
  readonly options: CacheOptions
  /** Opened here, and closed here; one that was given is not. */
  readonly opened: Connection | undefined
}

let configured: DefaultsOptions = {}
let ground: Ground | undefined
const open = new Set<Cache>()

/**
 * Says what the default caches ride on. To be called before the first of them is used; without it they
 * take `REDIS_URL` and `BULLMQ_PREFIX` (and what else `cacheOptionsFromEnv` knows) from the environment.
 *
 * @throws TypeError or RangeError for a wrong option; `Error` when a default cache is in use
 *
 * @example
 * ```ts
 * import { cacheGet, cacheSet, closeDefaults, configureDefaults } from '@corral/core/default'
 * import { Queue } from 'bullmq'
 *
 * const queue = new Queue('mail', { connection: { host: '127.0.0.1', port: 6379 } })
 * configureDefaults({ connection: queue, namespace: 'shop:v1' })
 *
 * await cacheSet('user:123', { name: 'John' }, { ttl: 3600 })
 * await cacheGet('user:123')
 *
 * await closeDefaults() // the queue's connection stays open
 * await queue.close()
 * ```
 */
export function configureDefaults(options: DefaultsOptions): void {
  if (ground !== undefined) {
    throw new Error(
      'configureDefaults: a default cache is in use; call this first, or closeDefaults() before it',
    )
  }
  // The connection itself is looked at when it is used: it may be a promise, and nothing is opened here.
  const { connection, ...rest } = options
  if (connection !== undefined && (typeof connection !== 'object' || connection === null)) {
    throw new TypeError(
      `connection: must be an ioredis client, a BullMQ queue or a Connection, received ${describeValue(connection)}`,
    )
  }
  resolveCacheOptions({ namespace: 'default', ...rest })
  configured = { ...options }
}

function lay(): Ground {
  const env = cacheOptionsFromEnv(process.env)
  let { connection } = configured
  let opened: Connection | undefined
  if (connection === undefined) {
    if (env.targetIsDefault) {
      throw new Error(
        "REDIS_URL: must be set (or REDIS_HOST), or call configureDefaults({ connection }) with your queue's",
      )
    }
    connection = opened = openConnection(env.target, env.connection)
  }
  return { options: { ...env.cache, ...configured, connection }, opened }
}

/** Makes one of the default caches, with what is said here instead of what is configured. */
export function openDefaultCache(own: DefaultsOptions): Cache {
  ground ??= lay()
  const cache = createCache({ ...ground.options, ...own })
  open.add(cache)
  return cache
}

export async function closeDefaultCache(cache: Cache): Promise<void> {
  open.delete(cache)
  await cache.close()
}

/**
 * Ends every default cache, and the connection if it came from the environment; one that was given
 * stays open. The next use begins anew, with the same configuration.
 */
export async function closeDefaults(): Promise<void> {
  const opened = ground?.opened
  ground = undefined
  const caches = [...open]
  open.clear()
  await Promise.all(caches.map((cache) => cache.close()))
  await opened?.close()
}

/** Whether a cache made here is still to be used. */
export function isOpen(cache: Cache): boolean {
  return open.has(cache)
}
