import { describeValue } from '@corral/connection'

/** What a decision may go by: who asks, and anything else that is known. */
export interface FlagContext {
  /** Who asks: a user's id, a tenant's; roll-outs go by it. */
  readonly targetingKey?: string | number
  readonly [attribute: string]: unknown
}

export type FlagTest =
  | 'equals'
  | 'in'
  | 'contains'
  | 'startsWith'
  | 'endsWith'
  | 'above'
  | 'atLeast'
  | 'below'
  | 'atMost'
  | 'present'

/** A test of one attribute of the context; `a.b` reads into objects. A missing one fulfils only `not`. */
export interface FlagCondition {
  readonly attribute: string
  /** @defaultValue 'equals' */
  readonly is?: FlagTest
  /** What it is compared with; an array for `in`; left out for `present`. */
  readonly value?: unknown
  /** Turns the condition round. @defaultValue false */
  readonly not?: boolean
}

const text = (value: unknown): value is string => typeof value === 'string'
/** Numbers with numbers, strings (ISO dates, say) with strings. */
function compare(x: unknown, y: unknown): number {
  if (typeof x === 'number' && typeof y === 'number') return x - y
  if (text(x) && text(y)) return x < y ? -1 : Number(x > y)
  return Number.NaN
}

const TESTS: Readonly<Record<FlagTest, (x: unknown, y: unknown) => boolean>> = {
  equals: (x: unknown, y: unknown) => x === y,
  in: (x: unknown, y: unknown) => Array.isArray(y) && y.includes(x),
  contains: (x: unknown, y: unknown) =>
    text(x) && text(y) ? x.includes(y) : Array.isArray(x) && x.includes(y),
  startsWith: (x: unknown, y: unknown) => text(x) && text(y) && x.startsWith(y),
  endsWith: (x: unknown, y: unknown) => text(x) && text(y) && x.endsWith(y),
  above: (x: unknown, y: unknown) => compare(x, y) > 0,
  atLeast: (x: unknown, y: unknown) => compare(x, y) >= 0,
  below: (x: unknown, y: unknown) => compare(x, y) < 0,
  atMost: (x: unknown, y: unknown) => compare(x, y) <= 0,
  present: (x: unknown) => x !== undefined && x !== null,
}

/** @throws TypeError naming what is wrong */
export function checkCondition(condition: FlagCondition, at: string): void {
  const { attribute, is = 'equals', value, not = false } = condition ?? {}
  if (typeof attribute !== 'string' || attribute === '') {
    throw new TypeError(
      `${at}.attribute: must be a non-empty string, received ${describeValue(attribute)}`,
    )
  }
  if (!Object.hasOwn(TESTS, is)) {
    throw new TypeError(
      `${at}.is: must be one of ${Object.keys(TESTS).join(', ')}, received ${describeValue(is)}`,
    )
  }
  if (is === 'in' && !Array.isArray(value)) {
    throw new TypeError(`${at}.value: must be an array for 'in', received ${describeValue(value)}`)
  }
  // JSON drops `undefined`: a rule for one tenant, whose id was missing, is no rule for all others.
  if (is !== 'present' && value === undefined) {
    throw new TypeError(`${at}.value: must be given for '${is}', received ${describeValue(value)}`)
  }
  if (typeof not !== 'boolean') {
    throw new TypeError(`${at}.not: must be true or false, received ${describeValue(not)}`)
  }
}

export function holds(
  { attribute, is = 'equals', value, not = false }: FlagCondition,
  context: FlagContext,
): boolean {
  const found = attributeOf(context, attribute)
  return (found !== undefined && TESTS[is](found, value)) !== not
}

/** Own properties alone, so that no name reaches a prototype. */
export function attributeOf(context: FlagContext, path: string): unknown {
  if (Object.hasOwn(context, path)) return context[path]
  let at: unknown = context
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
  }
  return at
}
