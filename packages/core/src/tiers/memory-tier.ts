import type { Clock } from '@corral/connection'
import { cacheClosed } from '../errors.ts'
import { composeEntry } from '../protocol/wire-entry.ts'
import type { Tier } from './tier.ts'

/** Most entries held; beyond it the ones used longest ago go. */
export const maxMemoryEntries = 100_000

interface Slot {
  readonly text: string
  /** By the monotonic clock. */
  readonly endsAt: number
}

/**
 * This process's memory in the place of Redis, for development and tests. It holds the same text that
 * Redis would, so that a value behaves the same in both.
 */
export function createMemoryTier(clock: Clock, maxEntries: number = maxMemoryEntries): Tier {
  const slots = new Map<string, Slot>()
  let closed = false

  function live(redisKey: string): Slot | undefined {
    if (closed) throw cacheClosed()
    const slot = slots.get(redisKey)
    if (slot === undefined || slot.endsAt > clock.now()) return slot
    slots.delete(redisKey)
    return undefined
  }

  function read(redisKey: string): string | null {
    const slot = live(redisKey)
    if (slot === undefined) return null
    // A Map keeps the order of insertion: last in is last used.
    slots.delete(redisKey)
    slots.set(redisKey, slot)
    return slot.text
  }

  function store(redisKey: string, tail: string, ttlMs: number): true {
    if (closed) throw cacheClosed()
    const now = clock.wallNow()
    const expires = ttlMs === Infinity ? undefined : Math.ceil(now + ttlMs)
    slots.delete(redisKey)
    slots.set(redisKey, {
      text: composeEntry(tail, Math.round(now * 1_000), expires),
      endsAt: clock.now() + ttlMs,
    })
    if (slots.size > maxEntries) dropOldest()
    return true
  }

  function remove(redisKey: string): true {
    if (closed) throw cacheClosed()
    slots.delete(redisKey)
    return true
  }

  function dropOldest(): void {
    for (const redisKey of slots.keys()) {
      slots.delete(redisKey)
      return
    }
  }

  return {
    kind: 'memory',
    clock,
    get available() {
      return !closed
    },
    get: async (redisKey) => read(redisKey),
    getMany: async (redisKeys) => redisKeys.map(read),
    set: async (redisKey, tail, ttlMs) => store(redisKey, tail, ttlMs),
    fill: async (redisKey, tail, ttlMs) => store(redisKey, tail, ttlMs),
    setMany: async (writes) =>
      writes.map(({ redisKey, tail, ttlMs }) => store(redisKey, tail, ttlMs)),
    delete: async (redisKey) => remove(redisKey),
    deleteMany: async (redisKeys) => redisKeys.map(remove),
    async remaining(redisKey) {
      const slot = live(redisKey)
      return slot === undefined ? undefined : slot.endsAt - clock.now()
    },
    usage: async () => ({ keys: slots.size, memory: undefined, reconnectAttempts: 0 }),
    async health() {
      return {
        status: closed ? 'down' : 'ok',
        healthy: !closed,
        latency: 0,
        reconnectAttempts: 0,
        signals: { state: 'off', tracking: false },
        nodes: [],
      }
    },
    async close() {
      closed = true
      slots.clear()
    },
  }
}
