import type { Redis } from 'ioredis'
import type { Cache } from '../../../src/index.ts'
import { pause } from '../machine-clock.ts'

/** Fills as most caches do: reads, loads, and stores whatever came meanwhile. */
export async function plantFill(
  cache: Cache,
  client: Redis,
  key: string,
  load: () => Promise<unknown>,
): Promise<unknown> {
  const cached = await cache.get(key)
  if (cached !== undefined) return cached
  const value = await load()
  await client.set(`${cache.namespace}::${key}`, JSON.stringify({ value }))
  return value
}

export interface PlantedNear {
  peek(key: string): unknown
  get(key: string): Promise<unknown>
  drop(key: string): void
}

/** A near tier that keeps what was read even if the key was invalidated on the way. */
export function plantNear(cache: Cache, namespace: string): PlantedNear {
  const copies = new Map<string, unknown>()
  cache.connection?.signals.watch(`${namespace}::`, {
    keys(keys) {
      for (const key of keys) copies.delete(key)
    },
    flush: () => copies.clear(),
    state: () => undefined,
  })
  return {
    peek: (key) => copies.get(`${namespace}::${key}`),
    drop: (key) => void copies.delete(`${namespace}::${key}`),
    async get(key) {
      const redisKey = `${namespace}::${key}`
      if (copies.has(redisKey)) return copies.get(redisKey)
      const value = cache.peek(key) ?? (await cache.get(key))
      // As a slow decoder would.
      if (value !== undefined) await pause(10 * Math.random())
      if (value !== undefined) copies.set(redisKey, value)
      return value
    },
  }
}
