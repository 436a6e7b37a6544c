import { CorralError, type Clock } from '@corral/connection'
import { cacheClosed } from '../errors.ts'
import { refreshLeaseKey } from '../protocol/protocol-keys.ts'
import type { LeaseReply } from '../protocol/lease-script.ts'
import { composeEntry, decodeEntry, isIdentity, leaseText } from '../protocol/wire-entry.ts'
import { incrementText } from './memory-counter.ts'
import type { Tier, TierFill } from './tier.ts'

/** Most entries held; beyond it the ones used longest ago go. */
export const maxMemoryEntries = 100_000

interface Slot {
  readonly text: string
  /** By the monotonic clock. */
  readonly endsAt: number
}

const leaseForm = '{"lease":"'

/** A {@link Tier} that can be walked through. */
export interface MemoryTier extends Tier {
  /** Keys of what stands there now, in no order; leases are among them. */
  readonly redisKeys: () => readonly string[]
  readonly isEntry: (redisKey: string) => boolean
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
    return slot.text
  }

  function nowUs(): number {
    return Math.round(clock.wallNow() * 1_000)
  }

  function place(redisKey: string, text: string, ttlMs: number): void {
    slots.delete(redisKey)
    slots.set(redisKey, { text, endsAt: clock.now() + ttlMs })
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

  function holds(redisKey: string, identity: string): Slot | undefined {
    const slot = live(redisKey)
    return slot !== undefined && isIdentity(slot.text, identity) ? slot : undefined
  }

  function grant(redisKey: string, token: string, ttlMs: number): LeaseReply {
    const at = nowUs()
    place(redisKey, leaseText(token, at), ttlMs)
    return { status: 'held', at }
  }

  function busy(slot: Slot): LeaseReply {
    return { status: 'busy', remainingMs: slot.endsAt - clock.now() }
  }

  function fill({ redisKey, identity, ttlMs, at, tail, beside }: TierFill): boolean {
    if (beside !== undefined && holds(beside.key, beside.identity)) slots.delete(beside.key)
    return holds(redisKey, identity) !== undefined && store(redisKey, tail, ttlMs, at)
  }

  /** As the script does: fresh for `ttlMs`, then stale for as long as it was to be. */
  function expire(redisKey: string, ttlMs: number): boolean {
    const slot = live(redisKey)
    if (slot === undefined) return false
    const decoded = decodeEntry(slot.text, redisKey)
    if (decoded.kind !== 'entry') return false
    if (decoded.loadedAt === undefined) {
      place(redisKey, slot.text, ttlMs)
      return true
    }
    const { expires, freshUntil } = decoded
    const stale = expires === undefined || freshUntil === undefined ? 0 : expires - freshUntil
    const tail = slot.text.replace(/^\{"c":1,"at":\d+(?:,"expires":\d+)?/, '')
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
      const slot = live(redisKey)
      if (slot === undefined) return grant(redisKey, token, ttlMs)
      if (slot.text.startsWith(leaseForm)) return busy(slot)
      return dead !== '' && isIdentity(slot.text, dead)
        ? grant(redisKey, token, ttlMs)
        : { status: 'entry', text: slot.text }
    },
    async refresh(redisKey, token, ttlMs, identity) {
      if (!holds(redisKey, identity)) return { status: 'changed', text: read(redisKey) }
      const beside = refreshLeaseKey(redisKey)
      const slot = live(beside)
      const reply = slot === undefined ? grant(beside, token, ttlMs) : busy(slot)
      return reply as Exclude<LeaseReply, { status: 'entry' }>
    },
    fill: async (given) => fill(given),
    remove: async (redisKey, identity) =>
      holds(redisKey, identity) !== undefined && remove(redisKey),
    async extend(redisKey, identity, ttlMs) {
      const slot = holds(redisKey, identity)
      if (slot !== undefined) place(redisKey, slot.text, ttlMs)
      return slot !== undefined
    },
    expire: async (redisKey, ttlMs) => expire(redisKey, ttlMs),
    async increment(redisKey, request) {
      const slot = live(redisKey)
      const next = incrementText(slot?.text, redisKey, request)
      if (next === undefined) {
        throw new CorralError('WRONG_TYPE', 'increment: the key holds no integer')
      }
      if (next.reply.status === 'tagged') return next.reply
      const left = next.anew || slot === undefined ? Infinity : slot.endsAt - clock.now()
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
      return slot !== undefined && !slot.text.startsWith(leaseForm)
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
