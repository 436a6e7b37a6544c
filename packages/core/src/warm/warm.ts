import { describeValue } from '@corral/connection'
import type { Ttl } from '../entry/ttl.ts'
import { requireKnownOptions } from '../known-options.ts'

/** One entry to be warmed: a value, or what loads it when it is missing. */
export interface WarmEntry {
  readonly key: string
  /** Runs only if the key is not cached. */
  readonly load?: (context: { readonly signal: AbortSignal }) => unknown
  readonly value?: unknown
  readonly ttl?: Ttl
  readonly tags?: readonly string[]
}

/** How far warming is. */
export interface WarmProgress {
  /** Entries that are settled, one way or another. */
  readonly done: number
  /** How many there are; `undefined` when the entries come from an iterator. */
  readonly total: number | undefined
  readonly stored: number
  readonly present: number
  readonly skipped: number
  readonly failed: number
  /** The entry that was settled last. */
  readonly key: string
}

/** Options of `warm`. */
export interface WarmOptions {
  /** How many entries at once. 1 to 1 000. @defaultValue 8 */
  readonly concurrency?: number
  /** Told after each entry. What it throws ends the warming. */
  readonly onProgress?: (progress: WarmProgress) => void
  /** Ends the warming; the call rejects with its reason. */
  readonly signal?: AbortSignal
}

/** What became of the entries. */
export interface WarmResult {
  /** Loaded or given, and stored. */
  readonly stored: number
  /** Cached already, or loaded by somebody else: left as they were. */
  readonly present: number
  /** Not to be stored: the loader brought `undefined`, or the cache's filter refused it. */
  readonly skipped: number
  /** In the order in which they failed. */
  readonly failed: readonly { readonly key: string; readonly error: unknown }[]
}

/** What became of one entry: loads and stores it through the lease, unless it is cached. */
export type WarmOne = (entry: WarmEntry, signal: AbortSignal | undefined) => Promise<WarmOutcome>

export type WarmOutcome = 'stored' | 'present' | 'skipped'

/** A list of entries, or what brings them one after another, such as a cursor of a database. */
export type WarmEntries = Iterable<WarmEntry> | AsyncIterable<WarmEntry>

/**
 * Brings entries into the cache before they are asked for, a few at a time. An entry that fails is
 * told by its key and does not stop the others.
 *
 * @throws TypeError or RangeError for wrong options; `signal.reason`; what `entries` or `onProgress` throws
 */
export async function warm(
  warmOne: WarmOne,
  entries: WarmEntries,
  options: WarmOptions = {},
): Promise<WarmResult> {
  requireKnownOptions(options, 'warm', ['concurrency', 'onProgress', 'signal'])
  const { concurrency = 8, onProgress, signal } = options
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 1_000) {
    throw new RangeError(
      `concurrency: must be a whole number from 1 to 1000, received ${describeValue(concurrency)}`,
    )
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError(`onProgress: must be a function, received ${describeValue(onProgress)}`)
  }
  const iterator = iterate(entries)
  const total = Array.isArray(entries) ? entries.length : undefined
  const failed: { key: string; error: unknown }[] = []
  const counts = { stored: 0, present: 0, skipped: 0 }
  let done = 0
  let stopped = false

  async function settle(entry: WarmEntry): Promise<void> {
    try {
      counts[await warmOne(checkEntry(entry), signal)]++
    } catch (error) {
      signal?.throwIfAborted()
      failed.push({ key: entry?.key, error })
    }
    done++
    onProgress?.({ done, total, ...counts, failed: failed.length, key: entry?.key })
  }

  /** Several take from one iterator, so that none is idle while there is something to do. */
  async function work(): Promise<void> {
    try {
      while (!stopped) {
        signal?.throwIfAborted()
        const next = await iterator.next()
        if (next.done === true) return
        await settle(next.value)
      }
    } finally {
      stopped = true
    }
  }

  const workers = Array.from({ length: concurrency }, work)
  try {
    await Promise.all(workers)
  } catch (error) {
    // Nothing of this call goes on after it has rejected.
    await Promise.allSettled(workers)
    await iterator.return?.()
    throw error
  }
  return { ...counts, failed }
}

function iterate(entries: WarmEntries): Iterator<WarmEntry> | AsyncIterator<WarmEntry> {
  if (typeof entries === 'object' && entries !== null) {
    if (Symbol.asyncIterator in entries) return entries[Symbol.asyncIterator]()
    if (Symbol.iterator in entries) return entries[Symbol.iterator]()
  }
  throw new TypeError(
    `entries: must be an array or an iterable, received ${describeValue(entries)}`,
  )
}

function checkEntry(entry: WarmEntry): WarmEntry {
  if (typeof entry !== 'object' || entry === null) {
    throw new TypeError(`entries: must be objects with a key, received ${describeValue(entry)}`)
  }
  if (entry.load !== undefined && typeof entry.load !== 'function') {
    throw new TypeError(`load: must be a function, received ${describeValue(entry.load)}`)
  }
  if ((entry.load === undefined) === (entry.value === undefined)) {
    throw new TypeError('entries: an entry must have either load or value')
  }
  return entry
}
