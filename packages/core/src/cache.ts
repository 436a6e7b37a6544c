import { assembleCache } from './assemble.ts'
import type { Cache } from './cache-interface.ts'
import { resolveCacheOptions, type CacheOptions } from './options.ts'

export type { Cache } from './cache-interface.ts'

/**
 * Makes a cache.
 *
 * @throws TypeError or RangeError naming the option, its rule and what was received
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 *
 * const cache = createCache({ namespace: 'shop:v1', ttl: '1h' })
 * const user = await cache.getOrSet('user:1', async () => ({ name: 'Ada' }), '5m')
 * user.name // 'Ada'
 * await cache.close()
 * ```
 */
export function createCache(options: CacheOptions): Cache {
  return assembleCache(resolveCacheOptions(options))
}
