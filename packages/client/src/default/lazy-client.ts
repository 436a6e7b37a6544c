import type { Cache } from '@corral/core'
import { type CacheClient, createCacheClient } from '../client.ts'
import type { CacheClientOptions } from '../options.ts'

/**
 * A client that is made with its first call, and made anew when its cache was closed since. Calls
 * that give a promise reject when it cannot be made.
 *
 * @param cacheOf opens the cache, or gives the one that is open
 */
export function lazyClient(
  cacheOf: () => Cache,
  options: Omit<CacheClientOptions, 'cache'> = {},
): CacheClient {
  let made: CacheClient | undefined

  function current(): CacheClient {
    const cache = cacheOf()
    if (made?.cache !== cache) {
      made?.close()
      made = createCacheClient({ ...options, cache })
    }
    return made
  }

  const atOnce: Partial<CacheClient> = {
    close() {
      made?.close()
      made = undefined
    },
    memoize: ((...args: [never, never, never]) =>
      current().memoize(...args)) as CacheClient['memoize'],
    rateLimiter: ((given: Parameters<CacheClient['rateLimiter']>[0]) =>
      current().rateLimiter(given)) as CacheClient['rateLimiter'],
    sessionStore: (given) => current().sessionStore(given),
  }

  // Written out, each of its calls would stand here once more.
  return new Proxy(atOnce as CacheClient, {
    get(target, name: keyof CacheClient) {
      if (name === 'cache' || name === 'flags') return current()[name]
      if (typeof name === 'symbol' || (name as string) === 'then') return undefined
      const known = target[name]
      if (known !== undefined) return known
      const call = async (...args: unknown[]): Promise<unknown> => {
        const method = current()[name] as (...given: unknown[]) => Promise<unknown>
        return method(...args)
      }
      Object.assign(target, { [name]: call })
      return call
    },
  })
}
