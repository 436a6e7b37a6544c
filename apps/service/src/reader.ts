import type { Cache } from '@corral/core'
import type { Source } from './source.ts'

/** Who produced a value: the cache, the source for this caller, or the source for another caller at the same time. */
export type Origin = 'cache' | 'source' | 'shared'

export interface Reading {
  /** `null`: the source has nothing of this key. */
  readonly value: unknown
  readonly from: Origin
}

export interface ReadOptions {
  /** How long a value that is loaded now lives, in seconds. Default: the cache's. */
  readonly ttl?: number
  /** Goes past the cache: neither reads nor fills it. */
  readonly bypass?: boolean
}

/** Reads through the cache and knows where each value came from. */
export interface Reader {
  read(key: string, options?: ReadOptions): Promise<Reading>
}

/** Callers of one key that overlap; one of them may load for all. */
interface Flight {
  loaded: boolean
}

export function createReader(options: {
  readonly cache: Cache
  readonly source: Source
  readonly negativeTtlMs: number
}): Reader {
  const { cache, source, negativeTtlMs } = options
  const flights = new Map<string, Flight>()

  return {
    async read(key, { ttl, bypass } = {}) {
      if (bypass) return { value: await source.load(key), from: 'source' }
      const flight = flights.get(key) ?? { loaded: false }
      flights.set(key, flight)
      let mine = false
      try {
        const value = await cache.getOrSet(
          key,
          async (context) => {
            mine = true
            flight.loaded = true
            const loaded = await source.load(key)
            if (loaded === null) context.setTtl(negativeTtlMs / 1000)
            return loaded
          },
          ttl === undefined ? {} : { ttl },
        )
        return { value, from: mine ? 'source' : flight.loaded ? 'shared' : 'cache' }
      } finally {
        // Whoever comes after the first answer starts a new flight.
        if (flights.get(key) === flight) flights.delete(key)
      }
    },
  }
}
