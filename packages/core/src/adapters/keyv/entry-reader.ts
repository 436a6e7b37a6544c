import type { Connection, Keyspace } from '@corral/connection'
import { decodeEntry, stringifyValue } from '../../protocol/index.ts'
import { createStampBook, type StampBook } from '../../stamps/stamp-book.ts'

/** Judges what stands in Redis as Corral's own cache would, for readers that know Keyv's JSON only. */
export interface EntryReader {
  readonly keyspace: Keyspace
  /** The text for Keyv, or undefined where Corral's cache would miss. */
  read(text: string | null, redisKey: string): Promise<string | undefined>
  close(): void
}

/**
 * Keyv's own entries pass as they are, for Keyv to parse: their serializer may be any. Of Corral's,
 * the stale, the invalidated and those of a codec are misses, and so are leases.
 */
export function createEntryReader(connection: Connection, keyspace: Keyspace): EntryReader {
  // Made with the first entry that a stamp may have killed: Keyv's own carry nothing to judge.
  let book: StampBook | undefined

  function wallNow(redisKey: string): number {
    return connection.serverNow(redisKey) ?? connection.clock.wallNow()
  }

  async function read(text: string | null, redisKey: string): Promise<string | undefined> {
    if (text === null || text.startsWith('{"lease":')) return undefined
    if (!text.startsWith('{"c":')) return isNumber(text) ? counterText(text) : text
    const entry = decodeEntry(text, redisKey)
    if (entry.kind !== 'entry' || entry.value === undefined) return undefined
    if (entry.freshUntil !== undefined && entry.freshUntil <= wallNow(redisKey)) return undefined
    book ??= createStampBook({ connection, namespace: keyspace.namespace, ttlMs: 0 })
    // Asked before and after: a verdict holds only until the event loop turns.
    if (book.verdict(entry) === 'unknown') await book.learn(entry.tags)
    return book.verdict(entry) === 'alive' ? text : undefined
  }

  return { keyspace, read, close: () => book?.close() }
}

/** Counters are bare integers in Redis. */
function isNumber(text: string): boolean {
  return /^-?\d{1,19}$/.test(text)
}

function counterText(text: string): string {
  return `{"value":${stringifyValue(Number(text))}}`
}
