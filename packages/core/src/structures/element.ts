import { unserializable } from '../errors.ts'
import { parseJson, stringifyValue } from '../protocol/keyv-json.ts'

/**
 * The text of a field's value, a list's element or a set's member. A number stands as its digits, so
 * that HINCRBY can add to it.
 *
 * @throws CorralError `UNSERIALIZABLE_VALUE`, for `undefined` as well
 */
export function encodeElement(key: string, value: unknown): string {
  let text: string | undefined
  try {
    text = stringifyValue(value)
  } catch (error) {
    throw unserializable(key, error)
  }
  if (text === undefined) throw unserializable(key)
  return text
}

/** The value behind it; `undefined` for nothing, and for what another program wrote that is no JSON. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what the caller says it is
export function decodeElement<T>(text: unknown): T | undefined {
  if (typeof text !== 'string') return undefined
  try {
    return parseJson(text) as T
  } catch {
    return undefined
  }
}

/** Without the elements that cannot be read. */
export function decodeElements<T>(texts: unknown): T[] {
  const values: T[] = []
  for (const text of texts as readonly unknown[]) {
    const value = decodeElement<T>(text)
    if (value !== undefined) values.push(value)
  }
  return values
}
