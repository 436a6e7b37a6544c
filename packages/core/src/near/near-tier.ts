import type { Connection } from '@corral/connection'
import { LRUCache } from 'lru-cache'
import type { Stampable, StampBook } from '../stamps/stamp-book.ts'
import { createChangeCounts } from './change-counts.ts'
import { createCoarseClock } from './coarse-clock.ts'
import { cloneValue, freezeData } from './value-copies.ts'

/**
 * What a near hit hands out.
 *
 * - `'freeze'`: the kept value itself, deep-frozen; a copy if it holds a Buffer, Date, Map or Set
 * - `'clone'`: a copy each time
 * - `'none'`: the kept value itself; who changes it changes it for everybody
 */
export type NearCopy = 'freeze' | 'clone' | 'none'

/** An entry as it was read from Redis, or written to it. */
export interface NearDraft extends Stampable {
  readonly value: unknown
  /** Epoch milliseconds of the server; undefined = none. */
  readonly expires: number | undefined
  readonly freshUntil: number | undefined
  readonly costMs: number | undefined
}

/** An entry that is kept in this process. */
export interface NearEntry extends NearDraft {
  /** When it ends here, and until when it is fresh, by the monotonic clock. */
  readonly endsAt: number
  readonly freshEndsAt: number
}

/** Proof of when a read began. */
export interface Ticket {
  readonly key: string
  readonly redisKey: string
  readonly mark: number
}

/**
 * Decoded entries in this process's memory, kept right by signals: while those do not tell every
 * change, nothing is kept and nothing is served. Entries are found by the caller's own key: putting
 * the Redis key together and hashing it would take longer than the rest of a hit.
 */
export interface NearTier {
  readonly size: number
  /** The entry at a key if it may be served; synchronous. Its value is {@link valueOf}. */
  peek(key: string): NearEntry | undefined
  /** As {@link peek}, if it is fresh as well. */
  fresh(key: string): NearEntry | undefined
  isFresh(entry: NearEntry): boolean
  /** What a caller may be given. */
  valueOf(entry: NearEntry): unknown
  /** {@link valueOf}, promised; callers share one promise where they share the value. */
  promiseOf(entry: NearEntry): Promise<unknown>
  /** To be taken before the key is read from Redis, for {@link keep}. Nothing needs to be given back. */
  ticket(redisKey: string, key?: string): Ticket
  /**
   * Keeps what was read, unless the key may have changed since the ticket was taken. What the caller
   * goes on to use is {@link valueOf} of the result, kept or not: under `'freeze'` it is frozen.
   */
  keep(ticket: Ticket, draft: NearDraft): NearEntry
  /**
   * Forgets a key, and what is being read of it. For a write of this process: before the command
   * leaves, and again when it is answered, as a read may have overtaken it on its way.
   */
  drop(redisKey: string): void
  /** Forgets all keys for which `test` is true, and everything that is being read. */
  dropMatching(test: (redisKey: string) => boolean): void
  clear(): void
  close(): void
}

export interface NearDeps {
  readonly connection: Connection
  /** `<namespace>::`. */
  readonly prefix: string
  readonly book: Pick<StampBook, 'verdict' | 'epoch'>
  readonly maxEntries: number
  /** Longest life in this process. */
  readonly ttlMs: number
  readonly copy?: NearCopy
  /** What the server's clock and ours may differ while the server's is not known. @defaultValue 250 */
  readonly clockSkewMs?: number
}

/** The server's clock is known to a few milliseconds; an entry ends here that much before it does there. */
const MARGIN_MS = 5
/** A version of the stamps that never is. */
const NEVER = -1

interface Kept extends NearEntry {
  readonly key: string
  readonly redisKey: string
  /** The sooner of the two: until then a hit has nothing else to look at. */
  readonly servedUntil: number
  /** Its value was not frozen, so each caller gets a copy. */
  readonly cloned: boolean
  /** The stamps' version by which it was found alive. */
  judged: number
  /** Made when it is first asked for: a new one for each hit took a sixth of its time. */
  promise: Promise<unknown> | undefined
}

export function createNearTier(deps: NearDeps): NearTier {
  const { connection, prefix, book, ttlMs, copy = 'freeze', clockSkewMs = 250 } = deps
  const { clock } = connection
  const { epoch } = book
  /** Which of our keys a Redis key stands for here; signals tell Redis keys. */
  const holders = new Map<string, string>()
  const entries = new LRUCache<string, Kept>({
    max: deps.maxEntries,
    dispose({ key, redisKey }) {
      if (holders.get(redisKey) === key) holders.delete(redisKey)
    },
  })
  const changes = createChangeCounts()
  const now = createCoarseClock(clock)
  let live = false

  function drop(redisKey: string): void {
    changes.note(redisKey)
    const key = holders.get(redisKey)
    if (key !== undefined) entries.delete(key)
  }

  function hold(entry: Kept): void {
    const { key, redisKey } = entry
    const other = holders.get(redisKey)
    // A lossy `sanitize` gives several keys one Redis key: only one of them can be found by it.
    if (other !== undefined && other !== key) entries.delete(other)
    entries.set(key, entry)
    holders.set(redisKey, key)
  }

  function clear(): void {
    changes.noteAll()
    entries.clear()
  }

  const unwatch = connection.signals.watch(prefix, {
    keys(keys) {
      for (const key of keys) drop(key)
    },
    flush: clear,
    state(state) {
      live = state === 'on'
      if (!live) clear()
    },
  })

  /** How far ahead of us a moment of the server is; never more than it truly is. */
  function untilServer(redisKey: string, epochMs: number): number {
    const serverMs = connection.serverNow(redisKey)
    if (serverMs !== undefined) return epochMs - serverMs - MARGIN_MS
    return epochMs - clock.wallNow() - clockSkewMs
  }

  function kept(key: string, redisKey: string, draft: NearDraft): Kept {
    const { expires, freshUntil } = draft
    const at = clock.now()
    const left = expires === undefined ? Infinity : untilServer(redisKey, expires)
    // Mostly the same moment; one look at the server's clock is enough then.
    const freshLeft =
      freshUntil === expires || freshUntil === undefined ? left : untilServer(redisKey, freshUntil)
    const endsAt = at + Math.min(ttlMs, left)
    const freshEndsAt = at + freshLeft
    const cloned = copy === 'clone' || (copy === 'freeze' && !freezeData(draft.value))
    // Field by field: an object made by spreading is several times slower to read.
    return {
      key,
      redisKey,
      // The caller who brought it has the original.
      value: cloned ? cloneValue(draft.value) : draft.value,
      loadedAt: draft.loadedAt,
      tags: draft.tags,
      seen: draft.seen,
      expires,
      freshUntil,
      costMs: draft.costMs,
      endsAt,
      freshEndsAt,
      servedUntil: Math.min(endsAt, freshEndsAt),
      cloned,
      judged: NEVER,
      promise: undefined,
    }
  }

  function alive(entry: Kept): boolean {
    const { version } = epoch
    if (entry.judged === version) return true
    const verdict = book.verdict(entry)
    if (verdict === 'alive') entry.judged = version
    else if (verdict === 'dead') entries.delete(entry.key)
    return verdict === 'alive'
  }

  function isServable(entry: Kept, at: number): boolean {
    if (entry.endsAt > at) return alive(entry)
    entries.delete(entry.key)
    return false
  }

  function valueOf(entry: NearEntry): unknown {
    return (entry as Kept).cloned ? cloneValue(entry.value) : entry.value
  }

  return {
    get size() {
      return entries.size
    },
    peek(key) {
      const entry = entries.get(key)
      return entry !== undefined && isServable(entry, now()) ? entry : undefined
    },
    fresh(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      // Nearly every hit. Nothing is kept while signals do not tell every change.
      if (entry.judged === epoch.version && entry.servedUntil > now()) return entry
      return isServable(entry, now()) && entry.freshEndsAt > now() ? entry : undefined
    },
    isFresh: (entry) => entry.freshEndsAt > now(),
    valueOf,
    promiseOf(entry) {
      const held = entry as Kept
      if (held.cloned) return Promise.resolve(valueOf(held))
      return (held.promise ??= Promise.resolve(held.value))
    },
    ticket: (redisKey, key = redisKey) => ({ key, redisKey, mark: changes.mark(redisKey) }),
    keep({ key, redisKey, mark }, draft) {
      const entry = kept(key, redisKey, draft)
      const ended = entry.endsAt <= clock.now()
      if (live && !ended && !changes.changedSince(redisKey, mark)) hold(entry)
      return entry
    },
    drop,
    dropMatching(test) {
      changes.noteAll()
      const held = [...holders]
      for (const [redisKey, key] of held) if (test(redisKey)) entries.delete(key)
    },
    clear,
    close() {
      unwatch()
      live = false
      clear()
    },
  }
}
