import type { DecodedEntry, Stored } from '../protocol/entry-format.ts'
import { decodeEntry, withValue } from '../protocol/wire-entry.ts'
import type { Codec } from '../serializers/codec.ts'

/** Why nothing could be served of what Redis was asked for. */
export type MissReason =
  /** Nothing there, or another type than a string. */
  | 'absent'
  /** Another process is loading it. */
  | 'lease'
  /** Past the end that it says, or past the windows in which a stale value may be served. */
  | 'expired'
  /** Killed by a tag or by `clear()`. */
  | 'invalidated'
  /** Nothing that Corral or Keyv wrote; it is taken away. */
  | 'garbage'
  /** Written with a serializer that this cache does not have. */
  | 'codec'
  /** Not what the schema of this call wants. */
  | 'schema'
  /** An entry of another key: the replies are shifted. */
  | 'mismatch'
  /** Written by a later version of Corral, and left alone. */
  | 'newer'
  /** Redis could not be asked. */
  | 'unavailable'
  /** An invalidation of this key is not acknowledged yet. */
  | 'journalled'
  /** The call wanted a new value whatever is there. */
  | 'forced'

/**
 * The entry that stands in what was read, or why it counts as a miss. Never throws.
 *
 * @param hash that of the key, where it is known already
 */
export function readEntry(
  stored: Stored | null,
  redisKey: string,
  now: (redisKey: string) => number,
  codec: Codec,
  hash?: number,
): DecodedEntry | MissReason {
  if (stored === null) return 'absent'
  const decoded = decodeEntry(stored, redisKey, hash)
  if (decoded.kind !== 'entry') return decoded.kind
  if (decoded.encoded !== undefined) {
    const value = codec.decode(decoded.encoded)
    return value === undefined ? 'codec' : withValue(decoded, value)
  }
  if (decoded.value === undefined) return 'garbage'
  // Our own entries end when Redis removes them, by its clock; a foreign one may carry an end without PX.
  if (decoded.foreign && decoded.expires !== undefined && decoded.expires <= now(redisKey)) {
    return 'expired'
  }
  return decoded
}

/** Whether an entry just read is fresh. One without a stale share is there only while it is. */
export function isFresh(
  entry: DecodedEntry,
  redisKey: string,
  now: (redisKey: string) => number,
): boolean {
  if (entry.staleMs === 0) return true
  const { freshUntil } = entry
  return freshUntil === undefined || now(redisKey) < freshUntil
}

/** How long an entry lives from where its load began; `Infinity` without an end. */
export function lifeMs({ expires, loadedAt }: DecodedEntry): number {
  return expires === undefined ? Infinity : expires - (loadedAt ?? 0) / 1_000
}
