import { CorralError, isCorralError, type Connection } from '@corral/connection'
import { createWatermark } from '../../memory/watermark.ts'
import type { EntryReader } from './entry-reader.ts'

/** The writing half of a Keyv store. Rejects with a `CorralError`. */
export interface EntryWriter {
  /** Stores a text; 0 for no end. When it is not stored for want of room, the older one goes too. */
  store(reader: EntryReader, redisKey: string, text: string, ttlMs: number): Promise<void>
  /** Whether it was there. */
  remove(reader: EntryReader, redisKey: string): Promise<boolean>
  /** Whether any was there. Calls of one tick share their scripts, so a page of SCAN is one command. */
  removeAll(reader: EntryReader, redisKeys: readonly string[]): Promise<boolean>
  close(): void
}

export function createEntryWriter(connection: Connection, maxMemoryShare: number): EntryWriter {
  const watermark = createWatermark({ connection, share: maxMemoryShare })

  function remove(reader: EntryReader, redisKey: string): Promise<boolean> {
    return reader.writing(redisKey, () => connection.delete(redisKey))
  }

  /** The caller has a newer value than the one that would be read on. */
  async function withdraw(reader: EntryReader, redisKey: string): Promise<void> {
    await remove(reader, redisKey).catch(() => false)
  }

  return {
    remove,
    async store(reader, redisKey, text, ttlMs) {
      if (!watermark.mayStore) {
        await withdraw(reader, redisKey)
        throw new CorralError('REDIS_FULL', 'no values are stored while Redis is nearly full')
      }
      try {
        // 0: without an end.
        const options = ttlMs === 0 ? undefined : { ttlMs }
        await reader.writing(redisKey, () => connection.set(redisKey, text, options))
      } catch (error) {
        if (isCorralError(error, 'REDIS_FULL')) watermark.full()
        if (!isCorralError(error, 'REDIS_UNAVAILABLE')) await withdraw(reader, redisKey)
        throw error
      }
    },
    async removeAll(reader, redisKeys) {
      const gone = await Promise.all(redisKeys.map((redisKey) => remove(reader, redisKey)))
      return gone.includes(true)
    },
    close: () => watermark.close(),
  }
}
