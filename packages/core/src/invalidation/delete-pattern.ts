import {
  compilePattern,
  type Connection,
  type CorralError,
  isCorralError,
  type KeyPattern,
  type Keyspace,
} from '@corral/connection'
import { removeKeys, SCAN_COUNT } from './remove-keys.ts'

export interface PatternDeletion {
  /** How many entries went. */
  readonly removed: number
  /** Why some that match may still be there. */
  readonly error: CorralError | undefined
}

/**
 * Removes every key that matches, page by page, in scripts of at most 100. A key of which only the
 * head is known (its end is a digest) goes when its head can match.
 *
 * A load that began before does not fill after it: its lease stands at the key itself from before
 * the scan began, SCAN gives every key that is there from beginning to end, and the fill looks for
 * its lease. A key whose lease comes later is loaded from what the source holds by then.
 */
export async function deletePattern(
  connection: Connection,
  pattern: KeyPattern,
): Promise<PatternDeletion> {
  const { exactKey, scanPatterns } = pattern
  let removed = 0
  try {
    if (exactKey !== undefined) removed += await removeKeys(connection, [exactKey])
    for (const glob of scanPatterns) {
      for await (const page of connection.scan(glob, { count: SCAN_COUNT })) {
        const matching = page.filter((key) => key !== exactKey && pattern.match(key) !== 'no')
        removed += await removeKeys(connection, matching)
      }
    }
    return { removed, error: undefined }
  } catch (error) {
    if (!isCorralError(error)) throw error
    return { removed, error }
  }
}

/**
 * The keys that match, as SCAN finds them: one that comes or goes meanwhile may be listed or not, and
 * one may be listed twice. Keys so long that only their digest is stored cannot be told and are left
 * out. What is listed need not be readable: another process may be loading it, or a clear or a tag
 * may have killed it.
 *
 * @throws TypeError when the pattern is none
 */
export async function* listKeys(
  connection: Connection,
  keyspace: Keyspace,
  pattern: string,
): AsyncGenerator<string, void, undefined> {
  const compiled = compilePattern(keyspace, pattern)
  const { exactKey, scanPatterns } = compiled
  if (exactKey !== undefined) {
    const there = Number(await connection.read({ name: 'EXISTS', key: exactKey })) === 1
    const key = keyspace.decode(exactKey)
    if (there && key !== undefined) yield key
  }
  for (const glob of scanPatterns) {
    for await (const page of connection.scan(glob, { count: SCAN_COUNT })) {
      for (const redisKey of page) {
        if (redisKey === exactKey || compiled.match(redisKey) !== 'yes') continue
        const key = keyspace.decode(redisKey)
        if (key !== undefined) yield key
      }
    }
  }
}
