import { cacheManager } from '@corral/core/default'
import { createAuthCache, type AuthCache } from '../auth-cache.ts'
import { resolveAuthOptions, type AuthCacheOptions } from '../options.ts'
import type { Cache } from '@corral/core'

/** Options of the default auth cache; its cache is the one of `@corral/core/default`. */
export type AuthDefaultsOptions = Omit<AuthCacheOptions, 'cache'>

let configured: AuthDefaultsOptions = {}
let open: { readonly cache: Cache; readonly auth: AuthCache } | undefined

/** Enough of a cache to check the other options against, before anything is opened. */
const unopened = { namespace: 'default', getOrSet: () => undefined } as unknown as Cache

/**
 * Says how the default auth cache behaves. To be called before its first use.
 *
 * @throws TypeError or RangeError for a wrong option; `Error` when it is in use
 */
export function configureAuthDefaults(options: AuthDefaultsOptions): void {
  if (open !== undefined) {
    throw new Error(
      'configureAuthDefaults: the default auth cache is in use; call this first, or authCache.close() before it',
    )
  }
  resolveAuthOptions({ ...options, cache: unopened })
  configured = { ...options }
}

/** The auth cache on the default cache as it is now; one on a default cache that was closed ends. */
function current(): AuthCache {
  const { cache } = cacheManager
  if (open?.cache === cache) return open.auth
  const old = open?.auth
  open = { cache, auth: createAuthCache({ ...configured, cache }) }
  // Its connection went with its cache, so there is nothing to tell.
  old?.close().catch(() => undefined)
  return open.auth
}

async function close(): Promise<void> {
  const auth = open?.auth
  open = undefined
  await auth?.close()
}

/**
 * The default auth cache, on the default cache of `@corral/core/default`: that of
 * `configureDefaults`, or of `REDIS_URL` and `BULLMQ_PREFIX`. Nothing is opened before its first call.
 *
 * @example
 * ```ts
 * import { authCacheRedis } from '@corral/auth-cache/default'
 * import { closeDefaults, configureDefaults } from '@corral/core/default'
 * import { Queue } from 'bullmq'
 *
 * const queue = new Queue('mail', { connection: { host: '127.0.0.1', port: 6379 } })
 * configureDefaults({ connection: queue, namespace: 'shop:v1' })
 *
 * await authCacheRedis.setToken('opaque_token_123')
 * await authCacheRedis.getToken('opaque_token_123') // 'opaque_token_123'
 *
 * await authCacheRedis.close()
 * await closeDefaults() // the queue's connection stays open
 * await queue.close()
 * ```
 */
export const authCache: AuthCache = {
  get namespace() {
    return current().namespace
  },
  // Async, so that an environment without Redis rejects as every other failure does.
  authenticate: async (token, verify) => current().authenticate(token, verify),
  setToken: async (token, options) => current().setToken(token, options),
  getToken: async (token) => current().getToken(token),
  clearToken: async (token) => current().clearToken(token),
  set: async (userId, data) => current().set(userId, data),
  get: async (userId) => current().get(userId),
  clear: async (userId) => current().clear(userId),
  revokeToken: async (token) => current().revokeToken(token),
  revokeUser: async (userId) => current().revokeUser(userId),
  revokeAll: async () => current().revokeAll(),
  close,
  [Symbol.asyncDispose]: close,
}
