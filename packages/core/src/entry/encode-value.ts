import { unserializable } from '../errors.ts'
import { composeEntry, decodeEntry, encodeEntry } from '../protocol/wire-entry.ts'

/**
 * The text of an entry behind its times. `value` is not `undefined`.
 *
 * @throws CorralError `UNSERIALIZABLE_VALUE`
 */
export function encodeValue(key: string, redisKey: string, value: unknown, costMs: number): string {
  let tail: string | undefined
  try {
    tail = encodeEntry({ redisKey, value, costMs })
  } catch (error) {
    throw unserializable(key, error)
  }
  if (tail === undefined) throw unserializable(key)
  return tail
}

/** The value as everybody will read it who comes later: a Date is a string for the first caller too. */
export function decodedCopy(redisKey: string, tail: string): unknown {
  const decoded = decodeEntry(composeEntry(tail, 0, undefined), redisKey)
  return decoded.kind === 'entry' ? decoded.value : undefined
}
