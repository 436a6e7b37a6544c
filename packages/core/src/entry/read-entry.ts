import type { Clock } from '@corral/connection'
import { decodeEntry, type DecodedEntry } from '../protocol/wire-entry.ts'

/** Why nothing could be served of what Redis was asked for. */
export type MissReason =
  /** Nothing there, or another type than a string. */
  | 'absent'
  /** Another process is loading it. */
  | 'lease'
  /** Written by another program, and past the end that it says. */
  | 'expired'
  /** Nothing that Corral or Keyv wrote. */
  | 'garbage'
  /** An entry of another key: the replies are shifted. */
  | 'mismatch'
  /** Written by a later version of Corral, and left alone. */
  | 'newer'
  /** Redis could not be asked. */
  | 'unavailable'

/** The entry that stands in `text`, or why it counts as a miss. Never throws. */
export function readEntry(
  text: string | null,
  redisKey: string,
  clock: Clock,
): DecodedEntry | MissReason {
  if (text === null) return 'absent'
  const decoded = decodeEntry(text, redisKey)
  if (decoded.kind !== 'entry') return decoded.kind
  // A codec that is not known here, or a value that is none.
  if (decoded.value === undefined) return 'garbage'
  // Our own entries end when Redis removes them, by its clock; a foreign one may carry an end without PX.
  if (
    decoded.loadedAt === undefined &&
    decoded.expires !== undefined &&
    decoded.expires <= clock.wallNow()
  ) {
    return 'expired'
  }
  return decoded
}
