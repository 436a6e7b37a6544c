import { CorralError, describeValue } from '@corral/connection'

/** @throws CorralError `UNSERIALIZABLE_VALUE`, `VALUE_TOO_LARGE` */
export function toJson(value: unknown, what: string, mostBytes: number): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw unserializable(what, cause)
  }
  if (text === undefined) throw unserializable(what)
  const bytes = text.length * 3 <= mostBytes ? 0 : Buffer.byteLength(text)
  if (bytes <= mostBytes) return text
  throw new CorralError(
    'VALUE_TOO_LARGE',
    `${what} may have ${mostBytes} bytes (maxValueBytes), received ${describeValue(bytes)}`,
  )
}

/** The value of a JSON text, without own `__proto__` keys; `undefined` when it is none. */
export function fromJson(text: string): unknown {
  try {
    // JSON.stringify never escapes printable ASCII, so a text of ours passes the first test alone.
    if (!/__proto__|\\u00[2-7]/.test(text)) return JSON.parse(text)
    return JSON.parse(text, (key, value: unknown) => (key === '__proto__' ? undefined : value))
  } catch {
    return undefined
  }
}

function unserializable(what: string, cause?: unknown): CorralError<'UNSERIALIZABLE_VALUE'> {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new CorralError('UNSERIALIZABLE_VALUE', `${what} cannot be stored as JSON${why}`, {
    cause,
  })
}
