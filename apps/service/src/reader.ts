import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Cache, CoreEvents } from '@corral/core'
import { tagsOf, type Source } from './source.ts'

/**
 * Where a value came from.
 *
 * - `near`: this process's own copy
 * - `cache`: Redis, or another process that was loading it
 * - `stale`: either, past its time; it is loaded anew behind
 * - `buffer`: what was loaded within the last second, while Redis is away
 * - `source`: the source, for this caller
 * - `shared`: the source, for another caller at the same time
 */
export type Origin = 'near' | 'cache' | 'stale' | 'buffer' | 'source' | 'shared'

export interface Reading {
  /** `null`: the source has nothing of this key. */
  readonly value: unknown
  readonly from: Origin
}

export interface ReadOptions {
  /** Goes past the cache: neither reads nor fills it. */
  readonly bypass?: boolean
  /** Loads it whatever is cached, and fills the cache with it. */
  readonly fresh?: boolean
}

/** Reads through the cache and knows where each value came from. */
export interface Reader {
  read(key: string, options?: ReadOptions): Promise<Reading>
  close(): void
}

/** Callers of one key that overlap; one of them may load for all. */
interface Flight {
  loaded: boolean
  /** What the cache itself told of it. */
  from: Origin | undefined
}

export function createReader(options: {
  readonly cache: Cache
  readonly source: Source
  readonly negativeTtlMs: number
}): Reader {
  const { cache, source, negativeTtlMs } = options
  const flights = new Map<string, Flight>()

  // All are told before the call that they belong to is answered.
  function onHit(message: unknown, channel: string | symbol): void {
    const { namespace, key, stale } = message as CoreEvents['corral:core:near-hit']
    const flight = namespace === cache.namespace ? flights.get(key) : undefined
    const from = channel === 'corral:core:near-hit' ? 'near' : 'cache'
    if (flight !== undefined) flight.from = stale ? 'stale' : from
  }
  function onOutageHit(message: unknown): void {
    const { namespace, key } = message as CoreEvents['corral:core:outage-hit']
    const flight = namespace === cache.namespace ? flights.get(key) : undefined
    if (flight !== undefined) flight.from = 'buffer'
  }
  subscribe('corral:core:hit', onHit)
  subscribe('corral:core:near-hit', onHit)
  subscribe('corral:core:outage-hit', onOutageHit)

  return {
    async read(key, { bypass = false, fresh = false } = {}) {
      if (bypass) return { value: await source.load(key), from: 'source' }
      const flight = flights.get(key) ?? { loaded: false, from: undefined }
      flights.set(key, flight)
      let mine = false
      try {
        const value = await cache.getOrSet(
          key,
          async ({ setTtl }) => {
            const loaded = await source.load(key)
            if (loaded === null) setTtl(negativeTtlMs / 1000)
            // Only now: behind a stale value, the caller is not there any more.
            mine = flight.loaded = true
            return loaded
          },
          { tags: tagsOf(key), forceFresh: fresh },
        )
        return {
          value,
          from: mine ? 'source' : (flight.from ?? (flight.loaded ? 'shared' : 'cache')),
        }
      } finally {
        // Whoever comes after the first answer starts a new flight.
        if (flights.get(key) === flight) flights.delete(key)
      }
    },
    close() {
      unsubscribe('corral:core:hit', onHit)
      unsubscribe('corral:core:near-hit', onHit)
      unsubscribe('corral:core:outage-hit', onOutageHit)
    },
  }
}
