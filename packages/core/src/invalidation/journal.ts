import {
  compilePattern,
  type Connection,
  type KeyPattern,
  type Keyspace,
  type TimerHandle,
} from '@corral/connection'
import type { StampBook } from '../stamps/stamp-book.ts'
import { deletePattern } from './delete-pattern.ts'
import { tryToRemoveKeys } from './remove-keys.ts'
import type { Sweeper } from './sweeper.ts'

/**
 * Remembers what was to go and was not acknowledged, keeps this process from serving it, and makes
 * up for it first thing when Redis answers again.
 */
export interface Journal {
  /** How many keys, tags, patterns and namespaces wait. */
  readonly size: number
  /** No key need be treated as absent. */
  readonly idle: boolean
  /** Whether a key must be treated as absent here. One comparison while nothing waits. */
  bypasses(redisKey: string, key?: string): boolean
  addKey(redisKey: string): void
  addTags(tags: readonly string[]): void
  addNamespace(deep: boolean): void
  addPattern(pattern: string): void
  /** For {@link settleKey}: take it when a set or delete begins. */
  moment(): number
  /** A set or delete that began at `began` was acknowledged, so what failed before is made up for. */
  settleKey(redisKey: string, began?: number): void
  /** Tries once to make up for everything; true when nothing is left. */
  replay(): Promise<boolean>
  /** Tries once more, within the connection's deadline. */
  close(): Promise<void>
}

export interface JournalDeps {
  readonly connection: Connection
  readonly keyspace: Keyspace
  readonly book: StampBook
  readonly sweeper: Pick<Sweeper, 'start'>
  /** Most keys (and most tags) remembered; past it the namespace is cleared. @defaultValue 10_000 */
  readonly most?: number
  /** Told when the journal became too long. */
  readonly onOverflow?: () => void
  /** Told when everything was made up for. */
  readonly onReplayed?: () => void
}

/** Each is matched against every key that is read. */
const MOST_PATTERNS = 100
const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 2_000

export function createJournal(deps: JournalDeps): Journal {
  const { connection, keyspace, book, sweeper, most = 10_000 } = deps
  const { clock } = connection
  // Each with the number of its newest failure: a replay settles only what it was sent after.
  const keys = new Map<string, number>()
  const tags = new Map<string, number>()
  const patterns = new Map<string, { readonly pattern: KeyPattern; since: number }>()
  let namespace: { readonly deep: boolean; readonly since: number } | undefined
  let moments = 0
  let replaying: Promise<boolean> | undefined
  let timer: TimerHandle | undefined
  let failures = 0
  let closed = false

  /** Kept beside what it tells of, as every near hit asks. */
  function noteIdle(): void {
    journal.idle = keys.size === 0 && namespace === undefined && patterns.size === 0
  }

  function size(): number {
    return keys.size + tags.size + patterns.size + (namespace === undefined ? 0 : 1)
  }

  /** True while the whole namespace waits: its stamp and sweep, sent after this, are for all of it. */
  function covered(): boolean {
    if (namespace === undefined) return false
    namespace = { ...namespace, since: ++moments }
    return true
  }

  function overflow(): void {
    keys.clear()
    tags.clear()
    patterns.clear()
    addNamespace(false)
    deps.onOverflow?.()
  }

  function addNamespace(deep: boolean): void {
    namespace = { deep: deep || namespace?.deep === true, since: ++moments }
    noteIdle()
    book.holdNamespace(namespace.deep)
    retryLater()
  }

  // ---- making up for it ---------------------------------------------------------------------------

  async function replayNamespace(): Promise<void> {
    const it = namespace
    if (it === undefined) return
    const stamp = await book.stampNamespace({ deep: it.deep })
    if (stamp === undefined) return
    if (namespace?.since === it.since) namespace = undefined
    void sweeper.start({ stamp, deep: it.deep })
  }

  async function replayTags(): Promise<void> {
    if (tags.size === 0) return
    const sent = [...tags]
    if (!(await book.invalidateTags(sent.map(([tag]) => tag)))) return
    for (const [tag, since] of sent) if (tags.get(tag) === since) tags.delete(tag)
  }

  async function replayKeys(): Promise<void> {
    if (keys.size === 0) return
    const sent = [...keys]
    const gone = await tryToRemoveKeys(
      connection,
      sent.map(([key]) => key),
    )
    sent.forEach(([key, since], index) => {
      if (gone[index] === true && keys.get(key) === since) keys.delete(key)
    })
  }

  async function replayPatterns(): Promise<void> {
    const sent = [...patterns]
    for (const [text, it] of sent) {
      const { since } = it
      const { error } = await deletePattern(connection, it.pattern)
      if (error !== undefined) return
      if (patterns.get(text)?.since === since) patterns.delete(text)
    }
  }

  async function replayAll(): Promise<boolean> {
    // All leave in this tick, before anything that callers ask for once Redis is there.
    await Promise.all([replayNamespace(), replayTags(), replayKeys(), replayPatterns()])
    return size() === 0
  }

  function replay(): Promise<boolean> {
    if (size() === 0) return Promise.resolve(true)
    replaying ??= replayAll().then(
      (done) => finish(done),
      // What is no failure of Redis is a bug, and no reason to forget an invalidation.
      () => finish(false),
    )
    return replaying
  }

  function finish(done: boolean): boolean {
    replaying = undefined
    noteIdle()
    if (done) {
      failures = 0
      deps.onReplayed?.()
    } else {
      failures++
      retryLater()
    }
    return done
  }

  /** One call may have failed while others pass: then nobody tells that Redis is back. */
  function retryLater(): void {
    if (timer !== undefined || closed || replaying !== undefined) return
    const ms = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10))
    timer = clock.setTimer(
      () => {
        timer = undefined
        if (connection.available) void replay()
        else if (size() > 0) retryLater()
      },
      ms,
      { unref: true },
    )
  }

  const stopListening = connection.onAvailability((available) => {
    if (!available || size() === 0) return
    failures = 0
    void replay()
  })

  const journal = {
    get size() {
      return size()
    },
    idle: true as boolean,
    bypasses(redisKey) {
      if (namespace !== undefined) return true
      if (keys.size > 0 && keys.has(redisKey)) return true
      if (patterns.size === 0) return false
      for (const { pattern } of patterns.values()) if (pattern.match(redisKey) !== 'no') return true
      return false
    },
    addKey(redisKey) {
      if (covered()) return
      keys.set(redisKey, ++moments)
      noteIdle()
      if (keys.size > most) overflow()
      retryLater()
    },
    addTags(added) {
      if (covered()) return
      for (const tag of added) tags.set(tag, ++moments)
      book.holdTags(added)
      if (tags.size > most) overflow()
      retryLater()
    },
    addNamespace,
    addPattern(text) {
      const pattern = compilePattern(keyspace, text)
      if (covered()) return
      patterns.set(text, { pattern, since: ++moments })
      noteIdle()
      if (patterns.size > MOST_PATTERNS) overflow()
      retryLater()
    },
    moment: () => moments,
    settleKey(redisKey, began = Infinity) {
      if (keys.size === 0 || (keys.get(redisKey) ?? Infinity) > began) return
      keys.delete(redisKey)
      noteIdle()
    },
    replay,
    async close() {
      if (closed) return
      closed = true
      stopListening()
      if (timer !== undefined) clock.clearTimer(timer)
      timer = undefined
      if (size() > 0) await within(replay(), connection.deadlineMs)
    },
  } satisfies Journal
  return journal

  /** Each call ends by its own deadline, but a pattern is as many calls as Redis has pages. */
  function within(work: Promise<unknown>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const late = clock.setTimer(resolve, ms)
      void work.then(() => {
        clock.clearTimer(late)
        resolve()
      })
    })
  }
}
