import { describeValue } from '@corral/connection'
import { checkCondition, type FlagCondition } from './condition.ts'

/** What a flag may be: anything that JSON can hold, apart from `null` at the top. */
export type FlagValue =
  | boolean
  | string
  | number
  | { readonly [name: string]: unknown }
  | readonly unknown[]

/**
 * Shares of a roll-out in percent, by variant; what is left to 100 gets the flag's `fallthrough`. Who
 * is in stays in when a share grows, as long as the order of the variants stays.
 */
export type Rollout = Readonly<Record<string, number>>

/** For whom something else holds. The first rule whose conditions all hold decides. */
export interface FlagRule {
  readonly if: FlagCondition | readonly FlagCondition[]
  /** Either this … */
  readonly variant?: string
  /** … or this. */
  readonly rollout?: Rollout
}

/** A flag in full. */
export interface FlagDefinition {
  /** Values by name; all of one type. Names begin with a letter. */
  readonly variants: Readonly<Record<string, FlagValue>>
  /** The variant for whom nothing else decides. */
  readonly fallthrough: string
  /** `false`: every caller gets its own default. @defaultValue true */
  readonly enabled?: boolean
  readonly rules?: readonly FlagRule[]
  readonly rollout?: Rollout
  /** Attribute of the context that a roll-out goes by. @defaultValue 'targetingKey' */
  readonly stickBy?: string
  /** Flags with one salt put an id into the same place. @defaultValue the flag's name */
  readonly salt?: string
  readonly description?: string
}

/**
 * What `setFeatureFlag` takes: a value for all; a JSON value as `{ value }`; `{ percentage }` for a
 * boolean that is on for some; or a {@link FlagDefinition}. What a short form cannot hold is refused.
 */
export type FlagInput =
  | boolean
  | string
  | number
  | (Pick<FlagDefinition, 'description' | 'enabled'> & { readonly value: FlagValue })
  | (Pick<FlagDefinition, 'rules' | 'stickBy' | 'salt' | 'description' | 'enabled'> & {
      /** 0 to 100. */
      readonly percentage: number
    })
  | FlagDefinition

/** What the flag's type is: all its variants have it. */
export type FlagType = 'boolean' | 'string' | 'number' | 'object'

const NAME = /^[A-Za-z][\w-]{0,99}$/

/**
 * The full form of what was given, checked.
 *
 * @throws TypeError or RangeError naming what is wrong and what was received
 */
export function defineFlag(input: FlagInput): FlagDefinition {
  if (typeof input === 'boolean') {
    return { variants: { on: true, off: false }, fallthrough: input ? 'on' : 'off' }
  }
  if (typeof input === 'string' || typeof input === 'number') return fixed(input)
  if (typeof input !== 'object' || input === null)
    throw wrong('flag', 'must be a value or a definition', input)
  if ('value' in input) {
    requireBeside('value', BESIDE_VALUE, input)
    const { value, ...rest } = input
    return fixed(value, rest)
  }
  if ('percentage' in input) {
    requireBeside('percentage', BESIDE_PERCENTAGE, input)
    const { percentage, ...rest } = input
    share(percentage, 'percentage')
    return checked({
      ...rest,
      variants: { on: true, off: false },
      fallthrough: 'off',
      rollout: { on: percentage },
    })
  }
  return checked(input)
}

const BESIDE_VALUE = ['description', 'enabled']
const BESIDE_PERCENTAGE = [...BESIDE_VALUE, 'rules', 'stickBy', 'salt']

/** What a short form cannot hold must not be dropped: `{ value: true, percentage: 10 }` would be on for all. */
function requireBeside(form: string, others: readonly string[], input: object): void {
  for (const [name, value] of Object.entries(input)) {
    if (name === form || others.includes(name)) continue
    throw wrong(name, `is no option beside ${form} (take a definition with variants)`, value)
  }
}

function fixed(
  value: FlagValue,
  rest: Pick<FlagDefinition, 'description' | 'enabled'> = {},
): FlagDefinition {
  return checked({ ...rest, variants: { value }, fallthrough: 'value' })
}

/** @throws TypeError for what is none of the four types */
export function typeOfFlag(value: unknown): FlagType {
  if (typeof value === 'boolean' || typeof value === 'string') return typeof value as FlagType
  if (typeof value === 'number' && Number.isFinite(value)) return 'number'
  if (typeof value === 'object' && value !== null) return 'object'
  throw wrong('flag value', 'must be a boolean, string, finite number, object or array', value)
}

function checked(flag: FlagDefinition): FlagDefinition {
  const { variants, fallthrough, enabled, rules = [], rollout, stickBy, salt, description } = flag
  if (typeof variants !== 'object' || variants === null || Object.keys(variants).length === 0) {
    throw wrong('variants', 'must name one value or more', variants)
  }
  const [first, ...others] = Object.entries(variants).map(([name, value]) => {
    if (!NAME.test(name)) throw wrong('variants', 'a name begins with a letter', name)
    return typeOfFlag(value)
  })
  if (others.some((type) => type !== first)) {
    throw wrong('variants', 'must all be of one type', [first, ...others].join(', '))
  }
  requireVariant(fallthrough, 'fallthrough', variants)
  if (enabled !== undefined && typeof enabled !== 'boolean') {
    throw wrong('enabled', 'must be true or false', enabled)
  }
  for (const [name, text] of Object.entries({ stickBy, salt, description })) {
    if (text !== undefined && typeof text !== 'string') throw wrong(name, 'must be a string', text)
  }
  if (rollout !== undefined) checkRollout(rollout, 'rollout', variants)
  if (!Array.isArray(rules)) throw wrong('rules', 'must be an array', rules)
  for (const [i, rule] of (rules as readonly FlagRule[]).entries()) {
    const at = `rules[${i}]`
    if (typeof rule !== 'object' || rule === null) throw wrong(at, 'must be an object', rule)
    const conditions = Array.isArray(rule.if) ? (rule.if as readonly FlagCondition[]) : [rule.if]
    for (const condition of conditions) checkCondition(condition as FlagCondition, `${at}.if`)
    if ((rule.variant === undefined) === (rule.rollout === undefined)) {
      throw wrong(at, 'must have either a variant or a rollout', rule)
    }
    if (rule.variant !== undefined) requireVariant(rule.variant, `${at}.variant`, variants)
    if (rule.rollout !== undefined) checkRollout(rule.rollout, `${at}.rollout`, variants)
  }
  return flag
}

function checkRollout(rollout: Rollout, at: string, variants: FlagDefinition['variants']): void {
  if (typeof rollout !== 'object' || rollout === null) throw wrong(at, 'must be an object', rollout)
  let sum = 0
  for (const [name, percent] of Object.entries(rollout)) {
    requireVariant(name, at, variants)
    sum += share(percent, `${at}.${name}`)
  }
  if (sum > 100 + 1e-9) throw new RangeError(`${at}: shares must not pass 100, received ${sum}`)
}

function requireVariant(name: string, at: string, variants: FlagDefinition['variants']): void {
  if (typeof name === 'string' && Object.hasOwn(variants, name)) return
  throw wrong(at, `must be one of the variants (${Object.keys(variants).join(', ')})`, name)
}

function share(value: number, at: string): number {
  if (typeof value === 'number' && value >= 0 && value <= 100) return value
  throw new RangeError(`${at}: must be a number from 0 to 100, received ${describeValue(value)}`)
}

function wrong(option: string, rule: string, value: unknown): TypeError {
  return new TypeError(`${option}: ${rule}, received ${describeValue(value)}`)
}
