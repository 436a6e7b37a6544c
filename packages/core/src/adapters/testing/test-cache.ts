import { assembleCache } from '../../assemble.ts'
import { changingAny } from '../../engine/parts.ts'
import type { Cache } from '../../cache.ts'
import { resolveCacheOptions, type CacheOptions } from '../../options.ts'
import { seamOf } from '../../seam.ts'
import { createLocalStamps } from '../../stamps/local-stamp-book.ts'
import { createMemoryTier } from '../../tiers/memory-tier.ts'
import { createTestClock, type TestClock } from './test-clock.ts'
import { switchMemory, type SwitchedMemory, type TestRedis } from './test-redis.ts'

/** Options of {@link createTestCache}: those of `createCache` but for what the test brings. */
export interface TestCacheOptions extends Omit<
  CacheOptions,
  'connection' | 'near' | 'clock' | 'namespace'
> {
  /** @defaultValue 'test' */
  readonly namespace?: string
}

/** A cache in memory, with the clock that it lives by and the switches of its Redis. */
export interface TestCache extends AsyncDisposable {
  readonly cache: Cache
  readonly clock: TestClock
  readonly redis: TestRedis
}

/**
 * A cache for the unit tests of code that uses one: Corral's own engine on memory, with a clock that
 * stands still until the test moves it and a Redis that fails when the test says so.
 *
 * It is one process without a near cache: what needs several is to be tested on a real Redis.
 *
 * @throws TypeError or RangeError naming the option, its rule and what was received
 *
 * @example
 * ```ts
 * import { createTestCache } from '@corral/core/testing'
 *
 * const { cache, clock, redis } = createTestCache({ ttl: '1m' })
 * await cache.set('user:1', { name: 'Ada' })
 * await clock.advance('61s')
 * await cache.get('user:1') // undefined: it has ended
 *
 * redis.down()
 * await cache.set('user:1', { name: 'Ada' }) // false: not stored
 * await cache.getOrSet('user:1', () => ({ name: 'Ada' })) // the loader's value
 * redis.up()
 * await cache.close()
 * ```
 */
export function createTestCache(options: TestCacheOptions = {}): TestCache {
  const clock = createTestClock()
  const memory = switchMemory(createMemoryTier(clock), clock)
  const resolved = resolveCacheOptions({ namespace: 'test', ...options, clock })
  const store = { tier: memory.tier, stamps: createLocalStamps() }
  const cache = withOutages(assembleCache(resolved, store), memory)
  return {
    cache,
    clock,
    redis: memory.redis,
    [Symbol.asyncDispose]: () => cache.close(),
  }
}

/** Invalidations of more than a key, which memory alone could always do. */
function withOutages(cache: Cache, memory: SwitchedMemory): Cache {
  const { clear, deletePattern, invalidateTags, child } = cache

  /** What cannot be done now is done when Redis works again, as Corral's journal does. */
  async function orLater<T>(work: () => Promise<T>, failed: T): Promise<T> {
    if (memory.isReachable()) return work()
    changingAny(seamOf(cache))
    memory.whenUp(() => void work())
    return failed
  }

  return Object.assign(cache, {
    clear: (...args: Parameters<Cache['clear']>) => orLater(() => clear(...args), false),
    deletePattern: (pattern: string) => orLater(() => deletePattern(pattern), 0),
    async invalidateTags(tags: readonly string[]) {
      const done = await invalidateTags(tags)
      return done && memory.isReachable()
    },
    child: (...args: Parameters<Cache['child']>) => withOutages(child(...args), memory),
  } satisfies Partial<Cache>)
}
