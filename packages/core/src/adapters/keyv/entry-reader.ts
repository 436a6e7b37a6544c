import type { Connection, CorralError, Keyspace, SourceId } from '@corral/connection'
import { createNearTier, type NearTier } from '../../near/near-tier.ts'
import { decodeEntry, withValue, type DecodedEntry } from '../../protocol/index.ts'
import { createStampBook, type StampBook } from '../../stamps/stamp-book.ts'
import type { ResolvedKeyvNear } from './options.ts'

/** The reading half of a Keyv store, in one namespace. */
export interface EntryReader {
  /** Who it is in traces. */
  readonly source: SourceId
  readonly keyspace: Keyspace
  /** What Keyv is to be given for a key; undefined where Corral's cache would miss. */
  get(redisKey: string): Promise<string | undefined>
  /** As `get`; told of a part that failed, it gives the rest. */
  getMany(
    redisKeys: readonly string[],
    onPartialFailure?: (error: CorralError) => void,
  ): Promise<(string | undefined)[]>
  /** Runs a write to a key, so that no near copy of before outlives it. */
  writing<T>(redisKey: string, write: () => Promise<T>): Promise<T>
  close(): void
}

interface Readable {
  readonly text: string
  /** Undefined when only Keyv can read the text. */
  readonly entry: DecodedEntry | undefined
}

const counter = /^-?\d{1,19}$/

/**
 * Keyv's own entries pass as they are, for Keyv to parse: their serializer may be any. Of Corral's,
 * the stale, the invalidated and those of a codec are misses, and so are leases.
 */
export function createEntryReader(
  connection: Connection,
  keyspace: Keyspace,
  nearOptions: ResolvedKeyvNear | undefined,
): EntryReader {
  const { namespace, prefix } = keyspace
  // Without a near cache it is made with the first entry of Corral's: Keyv's carry nothing to judge.
  let book: StampBook | undefined
  let near: NearTier | undefined
  if (nearOptions !== undefined) {
    book = createStampBook({ connection, namespace, ttlMs: 0 })
    // Texts cannot be changed, so the kept one can be handed out.
    near = createNearTier({ connection, prefix, book, copy: 'none', ...nearOptions })
  }

  function isFresh({ freshUntil }: DecodedEntry, redisKey: string): boolean {
    if (freshUntil === undefined) return true
    return freshUntil > (connection.serverNow(redisKey) ?? connection.clock.wallNow())
  }

  async function isAlive(entry: DecodedEntry): Promise<boolean> {
    book ??= createStampBook({ connection, namespace, ttlMs: 0 })
    if (book.verdict(entry) === 'unknown') await book.learn(entry.tags)
    // At once: without signals a verdict holds only until the event loop turns.
    return book.verdict(entry) === 'alive'
  }

  async function judge(text: string | null, redisKey: string): Promise<Readable | undefined> {
    if (text === null || text.startsWith('{"lease":')) return undefined
    if (counter.test(text)) return { text: `{"value":${text}}`, entry: undefined }
    if (!text.startsWith('{"c":')) {
      const entry = near && decodeEntry(text, redisKey)
      return { text, entry: entry?.kind === 'entry' ? entry : undefined }
    }
    const entry = decodeEntry(text, redisKey)
    if (entry.kind !== 'entry' || entry.value === undefined) return undefined
    if (!isFresh(entry, redisKey) || !(await isAlive(entry))) return undefined
    return { text, entry }
  }

  function nearHit(redisKey: string): string | undefined {
    const entry = near?.peek(redisKey)
    return entry !== undefined && near?.isFresh(entry) === true
      ? (entry.value as string)
      : undefined
  }

  async function get(redisKey: string): Promise<string | undefined> {
    const hit = nearHit(redisKey)
    if (hit !== undefined) return hit
    const ticket = near?.ticket(redisKey)
    const readable = await judge(await connection.get(redisKey), redisKey)
    if (ticket !== undefined && readable?.entry !== undefined) {
      near?.keep(ticket, withValue(readable.entry, readable.text))
    }
    return readable?.text
  }

  async function getMany(
    redisKeys: readonly string[],
    onPartialFailure?: (error: CorralError) => void,
  ): Promise<(string | undefined)[]> {
    const options = onPartialFailure && { onPartialFailure }
    if (near !== undefined) {
      return Promise.all(
        redisKeys.map((redisKey) =>
          get(redisKey).catch((error: unknown) => {
            if (onPartialFailure === undefined) throw error
            onPartialFailure(error as CorralError)
            return undefined
          }),
        ),
      )
    }
    const texts = await connection.getMany(redisKeys, options)
    const readable = await Promise.all(
      texts.map((text, at) => judge(text, redisKeys[at] as string)),
    )
    return readable.map((one) => one?.text)
  }

  return {
    source: { kind: 'cache', name: namespace },
    keyspace,
    get,
    getMany,
    async writing(redisKey, write) {
      near?.drop(redisKey)
      try {
        return await write()
      } finally {
        near?.drop(redisKey)
      }
    },
    close() {
      near?.close()
      book?.close()
    },
  }
}
