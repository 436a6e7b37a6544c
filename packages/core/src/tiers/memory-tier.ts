import { CorralError, type Clock } from '@corral/connection'
import { cacheClosed } from '../errors.ts'
import { refreshLeaseKey } from '../protocol/protocol-keys.ts'
import type { LeaseReply } from '../protocol/lease-script.ts'
import { composeEntry, decodeEntry, isIdentity, leaseText } from '../protocol/wire-entry.ts'
import type { MemoryCells, MemoryStructure } from '../structures/memory-cells.ts'
import { incrementText } from './memory-counter.ts'
import type { Tier, TierFill } from './tier.ts'

/** Most entries held; beyond it the ones used longest ago go. */
export const maxMemoryEntries = 100_000

interface Slot {
  /** An entry, a lease, a counter; or what Redis keeps beside strings. */
  readonly content: string | MemoryStructure
  /** By the monotonic clock. */
  readonly endsAt: number
}

const leaseForm = '{"lease":"'

/** A {@link Tier} that can be walked through. */
export interface MemoryTier extends Tier {
  /** Keys of what stands there now, in no order; leases are among them. */
  readonly redisKeys: () => readonly string[]
  readonly isEntry: (redisKey: string) => boolean
  readonly cells: MemoryCells
}

/**
 * This process's memory in the place of Redis, for development and tests. It holds the same text that
 * Redis would and does what the scripts do, so that a value behaves the same in both.
 */
export function createMemoryTier(clock: Clock, maxEntries: number = maxMemoryEntries): MemoryTier {
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
    return typeof slot.content === 'string' ? slot.content : null
  }

  /** As scripts do that cannot work on another type. */
  function textAt(redisKey: string): string | undefined {
    const content = live(redisKey)?.content
    if (content === undefined || typeof content === 'string') return content
    throw new CorralError('WRONG_TYPE', 'the key holds another type')
  }

  function nowUs(): number {
    return Math.round(clock.wallNow() * 1_000)
  }

  function place(redisKey: string, content: Slot['content'], ttlMs: number): void {
    slots.delete(redisKey)
    slots.set(redisKey, { content, endsAt: clock.now() + ttlMs })
    if (slots.size > maxEntries) dropOldest()
  }

  function endOf(ttlMs: number): number | undefined {
    return ttlMs === Infinity ? undefined : Math.ceil(clock.wallNow() + ttlMs)
  }

  function store(redisKey: string, tail: string, ttlMs: number, at: number = nowUs()): true {
    if (closed) throw cacheClosed()
    place(redisKey, composeEntry(tail, at, endOf(ttlMs)), ttlMs)
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

  function holds(redisKey: string, identity: string): boolean {
    const text = textAt(redisKey)
    return text !== undefined && isIdentity(text, identity)
  }

  function leftMs(redisKey: string): number {
    return (slots.get(redisKey)?.endsAt ?? 0) - clock.now()
  }

  function grant(redisKey: string, token: string, ttlMs: number): LeaseReply {
    const at = nowUs()
    place(redisKey, leaseText(token, at), ttlMs)
    return { status: 'held', at }
  }

  function busy(redisKey: string): LeaseReply {
    return { status: 'busy', remainingMs: leftMs(redisKey) }
  }

  function fill({ redisKey, identity, ttlMs, at, tail, beside }: TierFill): boolean {
    if (beside !== undefined) {
      // Whatever stands there is no reason not to store.
      const lease = live(beside.key)?.content
      if (typeof lease === 'string' && isIdentity(lease, beside.identity)) slots.delete(beside.key)
    }
    return holds(redisKey, identity) && store(redisKey, tail, ttlMs, at)
  }

  /** As the script does: fresh for `ttlMs`, then stale for as long as it was to be. */
  function expire(redisKey: string, ttlMs: number): boolean {
    const slot = live(redisKey)
    if (slot === undefined) return false
    const { content } = slot
    const decoded = typeof content === 'string' ? decodeEntry(content, redisKey) : undefined
    if (decoded !== undefined && decoded.kind !== 'entry') return false
    if (typeof content !== 'string' || decoded?.loadedAt === undefined) {
      place(redisKey, content, ttlMs)
      return true
    }
    const { expires, freshUntil } = decoded
    const stale = expires === undefined || freshUntil === undefined ? 0 : expires - freshUntil
    const tail = content.replace(/^\{"c":1,"at":\d+(?:,"expires":\d+)?/, '')
    return store(redisKey, tail, ttlMs + stale, decoded.loadedAt)
  }

  return {
    kind: 'memory',
    clock,
    get available() {
      return !closed
    },
    now: () => clock.wallNow(),
    get: async (redisKey) => read(redisKey),
    getMany: async (redisKeys) => redisKeys.map(read),
    set: async (redisKey, tail, ttlMs) => store(redisKey, tail, ttlMs),
    setMany: async (writes) =>
      writes.map(({ redisKey, tail, ttlMs }) => store(redisKey, tail, ttlMs)),
    delete: async (redisKey) => remove(redisKey),
    deleteMany: async (redisKeys) => redisKeys.map(remove),
    async lease(redisKey, token, ttlMs, dead) {
      const text = textAt(redisKey)
      if (text === undefined) return grant(redisKey, token, ttlMs)
      if (text.startsWith(leaseForm)) return busy(redisKey)
      return dead !== '' && isIdentity(text, dead)
        ? grant(redisKey, token, ttlMs)
        : { status: 'entry', text }
    },
    async refresh(redisKey, token, ttlMs, identity) {
      if (!holds(redisKey, identity)) return { status: 'changed', text: read(redisKey) }
      const beside = refreshLeaseKey(redisKey)
      const reply = live(beside) === undefined ? grant(beside, token, ttlMs) : busy(beside)
      return reply as Exclude<LeaseReply, { status: 'entry' }>
    },
    fill: async (given) => fill(given),
    remove: async (redisKey, identity) => holds(redisKey, identity) && remove(redisKey),
    async extend(redisKey, identity, ttlMs) {
      const text = textAt(redisKey)
      if (text === undefined || !isIdentity(text, identity)) return false
      place(redisKey, text, ttlMs)
      return true
    },
    expire: async (redisKey, ttlMs) => expire(redisKey, ttlMs),
    async increment(redisKey, request) {
      const text = textAt(redisKey)
      const next = incrementText(text, redisKey, request)
      if (next === undefined) {
        throw new CorralError('WRONG_TYPE', 'increment: the key holds no integer')
      }
      if (next.reply.status === 'tagged') return next.reply
      const left = next.anew ? Infinity : leftMs(redisKey)
      const renew = request.renew === 'always' || left === Infinity
      place(redisKey, String(next.reply.value), renew ? request.ttlMs : left)
      return next.reply
    },
    async remaining(redisKey) {
      const slot = live(redisKey)
      return slot === undefined ? undefined : slot.endsAt - clock.now()
    },
    redisKeys: () => [...slots.keys()],
    isEntry(redisKey) {
      const slot = live(redisKey)
      if (slot === undefined) return false
      return typeof slot.content !== 'string' || !slot.content.startsWith(leaseForm)
    },
    cells: {
      find: live,
      put: place,
      drop: (redisKey) => void remove(redisKey),
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
