import { unserializable } from '../errors.ts'
import { composeEntry, encodeEntry, type EntryDraft } from '../protocol/wire-entry.ts'
import type { Codec } from '../serializers/codec.ts'
import { readEntry } from './read-entry.ts'

/**
 * The text of an entry behind its times. The draft's value is not `undefined`.
 *
 * @throws CorralError `UNSERIALIZABLE_VALUE`
 */
export function encodeValue(key: string, draft: EntryDraft, codec: Codec): string {
  let tail: string | undefined
  try {
    const encoded = codec.encode(draft.value)
    tail = encodeEntry(encoded === undefined ? draft : { ...draft, encoded })
  } catch (error) {
    throw unserializable(key, error)
  }
  if (tail === undefined) throw unserializable(key)
  return tail
}

/** The value as everybody will read it who comes later: a Date is a string for the first caller too. */
export function decodedCopy(redisKey: string, tail: string, codec: Codec): unknown {
  const entry = readEntry(composeEntry(tail, 0, undefined), redisKey, never, codec)
  return typeof entry === 'string' ? undefined : entry.value
}

const never = (): number => 0
