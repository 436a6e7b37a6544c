import ms, { type StringValue } from 'ms'

/**
 * A length of time: a number is **seconds** (as Redis `EX` and HTTP `max-age`), a string is read by
 * `ms`: `'250ms'`, `'5m'`, `'1 day'`.
 */
export type Duration = number | StringValue

/** Shows what was received without dumping a large or secret value into a message. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') {
    // Who mixes arguments up may have given the URL of a Redis, with its password.
    if (/^\s*[a-z][a-z0-9+.-]*:\/\//i.test(value)) return 'a URL'
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  }
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (value === null || typeof value !== 'object') return String(value)
  return Array.isArray(value) ? 'an array' : 'an object'
}

function wrong(option: string, rule: string, value: unknown): TypeError {
  return new TypeError(`${option}: ${rule}, received ${describeValue(value)}`)
}

/**
 * Milliseconds of a {@link Duration}.
 *
 * @param value number of seconds or a string for `ms`
 * @param option the option's name, for the error
 * @throws TypeError naming option, rule and value: negative, NaN, infinite, a number in a string
 * without a unit
 */
export function toMilliseconds(value: Duration, option: string): number {
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value < 0) {
      throw wrong(option, 'a duration must be a number of seconds that is not negative', value)
    }
    return value * 1000
  }
  if (typeof value !== 'string') {
    throw wrong(option, "a duration must be a number of seconds or a string such as '5m'", value)
  }
  if (/^\s*[-+]?[\d.]+\s*$/.test(value)) {
    throw wrong(option, `a duration in a string needs a unit, such as '${value.trim()}s'`, value)
  }
  let parsed: number | undefined
  try {
    parsed = ms(value)
  } catch {
    // `ms` throws on an empty or over-long string; both are told below.
  }
  if (parsed === undefined || !Number.isFinite(parsed) || parsed < 0) {
    throw wrong(option, "a duration must be a number of seconds or a string such as '5m'", value)
  }
  return parsed
}

/**
 * Milliseconds of a time-out, wait or delay. As {@link toMilliseconds}, but a bare number over 60
 * is refused: who writes `deadline: 500` means milliseconds.
 *
 * @throws TypeError as {@link toMilliseconds}, and for a number over 60
 */
export function toShortMilliseconds(value: Duration, option: string): number {
  if (typeof value === 'number' && value > 60) {
    throw wrong(
      option,
      `a number is seconds and must not be over 60; did you mean '${value}ms'?`,
      value,
    )
  }
  return toMilliseconds(value, option)
}
