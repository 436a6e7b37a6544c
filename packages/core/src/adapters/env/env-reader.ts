import { describeValue, toMilliseconds, type Duration } from '@corral/connection'

/** The variables of a process. */
export type Env = Readonly<Record<string, string | undefined>>

/** Reads variables one by one and collects what is wrong with them, so that all can be told at once. */
export interface EnvReader {
  /** What was wrong so far, a line for each variable. */
  readonly problems: readonly string[]
  /** The text of a variable, without white space around it; undefined when unset or empty. */
  text(name: string): string | undefined
  /** A whole number from `least` to `most`. */
  whole(name: string, least: number, most: number): number | undefined
  flag(name: string): boolean | undefined
  /** Seconds; a bare number is seconds, `'5m'` says its unit. More than 0. */
  seconds(name: string): number | undefined
  /** Milliseconds from `least` to `most`; a bare number is milliseconds, `'5s'` says its unit. */
  milliseconds(name: string, least: number, most: number): number | undefined
  /** Notes that a variable is wrong. Its value is told only where it cannot hold a secret. */
  wrong(name: string, rule: string, value?: string): void
}

const flags: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
])

const plainNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)$/

export function createEnvReader(env: Env): EnvReader {
  const problems: string[] = []

  function wrong(name: string, rule: string, value?: string): void {
    const received = value === undefined ? '' : `, received ${describeValue(value)}`
    problems.push(`${name}: ${rule}${received}`)
  }

  function text(name: string): string | undefined {
    const value = env[name]?.trim()
    return value === '' ? undefined : value
  }

  /** Milliseconds of a time with a unit, or of a bare number of `unitMs` each; undefined if it is none. */
  function time(value: string, unitMs: number): number | undefined {
    if (plainNumber.test(value)) return Number(value) * unitMs
    try {
      return toMilliseconds(value as Duration, '')
    } catch {
      return undefined
    }
  }

  return {
    problems,
    text,
    wrong,
    whole(name, least, most) {
      const value = text(name)
      if (value === undefined) return undefined
      const number = plainNumber.test(value) ? Number(value) : Number.NaN
      if (Number.isInteger(number) && number >= least && number <= most) return number
      wrong(name, `must be a whole number from ${least} to ${most}`, value)
      return undefined
    },
    flag(name) {
      const value = text(name)
      if (value === undefined) return undefined
      const flag = flags.get(value.toLowerCase())
      if (flag === undefined) wrong(name, 'must be true or false', value)
      return flag
    },
    seconds(name) {
      const value = text(name)
      if (value === undefined) return undefined
      const ms = time(value, 1_000)
      if (ms !== undefined && ms > 0) return ms / 1_000
      wrong(name, "must be a number of seconds over 0, or a time such as '5m'", value)
      return undefined
    },
    milliseconds(name, least, most) {
      const value = text(name)
      if (value === undefined) return undefined
      const ms = time(value, 1)
      if (ms !== undefined && ms >= least && ms <= most) return ms
      wrong(name, `must be ${least} to ${most} milliseconds, or a time such as '5s'`, value)
      return undefined
    },
  }
}
