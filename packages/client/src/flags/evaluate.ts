import { attributeOf, type FlagContext, holds } from './condition.ts'
import type { FlagDefinition, FlagRule, Rollout } from './flag-definition.ts'
import { placeOf } from './place-of.ts'

/** Why a flag has its value; OpenFeature's words. */
export type FlagReason =
  | 'STATIC'
  | 'DEFAULT'
  | 'TARGETING_MATCH'
  | 'SPLIT'
  | 'DISABLED'
  | 'STALE'
  | 'ERROR'

/** Why the caller's default was given; OpenFeature's words. */
export type FlagErrorCode =
  | 'FLAG_NOT_FOUND'
  | 'TYPE_MISMATCH'
  | 'PARSE_ERROR'
  | 'TARGETING_KEY_MISSING'
  | 'PROVIDER_NOT_READY'

export interface FlagEvaluation<T> {
  readonly value: T
  readonly reason: FlagReason
  readonly variant?: string
  readonly errorCode?: FlagErrorCode
  readonly errorMessage?: string
}

/** The type of a flag by that of the caller's default: `false` means a boolean, not `false`. */
export type Widened<T> = T extends boolean
  ? boolean
  : T extends string
    ? string
    : T extends number
      ? number
      : T

export function failed<T>(
  value: T,
  errorCode: FlagErrorCode,
  errorMessage: string,
): FlagEvaluation<T> {
  return { value, reason: 'ERROR', errorCode, errorMessage }
}

/**
 * Decides a flag for one caller; pure, so the same everywhere.
 *
 * @param fallback what a caller gets for a flag that cannot be decided; its type is what it expects
 */
export function evaluate<T>(
  name: string,
  flag: FlagDefinition,
  fallback: T,
  context: FlagContext,
): FlagEvaluation<T> {
  if (flag.enabled === false) return { value: fallback, reason: 'DISABLED' }
  const rule = flag.rules?.find((each) => conditionsOf(each).every((one) => holds(one, context)))
  if (rule?.variant !== undefined) return give(rule.variant, 'TARGETING_MATCH')
  const rollout = rule?.rollout ?? flag.rollout
  if (rollout === undefined) return give(flag.fallthrough, flag.rules ? 'DEFAULT' : 'STATIC')
  const id = attributeOf(context, flag.stickBy ?? 'targetingKey')
  if (typeof id !== 'string' && typeof id !== 'number') {
    const attribute = flag.stickBy ?? 'targetingKey'
    return failed(fallback, 'TARGETING_KEY_MISSING', `the context has no ${attribute}`)
  }
  const place = placeOf(flag.salt ?? name, String(id))
  return give(variantAt(rollout, place) ?? flag.fallthrough, 'SPLIT')

  function give(variant: string, reason: FlagReason): FlagEvaluation<T> {
    const value = flag.variants[variant]
    if (fallback !== undefined && typeof fallback !== typeof value) {
      return failed(
        fallback,
        'TYPE_MISMATCH',
        `the flag is of type ${typeof value}, asked for was ${typeof fallback}`,
      )
    }
    return { value: value as T, reason, variant }
  }
}

function conditionsOf({ if: condition }: FlagRule): Extract<FlagRule['if'], readonly unknown[]> {
  return 'attribute' in condition ? [condition] : condition
}

function variantAt(rollout: Rollout, place: number): string | undefined {
  let end = 0
  for (const [variant, percent] of Object.entries(rollout)) {
    end += percent
    if (place < end) return variant
  }
  return undefined
}
