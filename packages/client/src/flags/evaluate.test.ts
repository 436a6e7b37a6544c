import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FlagCondition, holds } from './condition.ts'
import { evaluate } from './evaluate.ts'
import { defineFlag, type FlagInput } from './flag-definition.ts'
import { placeOf } from './place-of.ts'

const decide = <T>(input: FlagInput, fallback: T, context = {}) =>
  evaluate('flag', defineFlag(input), fallback, context)

const PINNED = ['10.2682', '38.9378', '70.8378', '57.6981', '96.3287']

describe('a percentage', () => {
  const forms: [string, (n: number) => string | number][] = [
    ['numbers', (n) => n],
    ['numbers in text', (n) => `user-${n}`],
    ['UUIDs', () => randomUUID()],
    ['addresses', (n) => `ada+${n}@example.org`],
  ]

  it.each(forms)('is within 1 % over 100,000 %s', (_what, idOf) => {
    const shares = { a: 10, b: 25.5, c: 0.5 }
    const flag = defineFlag({
      variants: { a: 'a', b: 'b', c: 'c', rest: 'rest' },
      fallthrough: 'rest',
      rollout: shares,
    })
    const counts: Record<string, number> = {}
    for (let n = 0; n < 100_000; n++) {
      const { value } = evaluate('flag', flag, '', { targetingKey: idOf(n) })
      counts[value] = (counts[value] ?? 0) + 1
    }
    for (const [variant, percent] of Object.entries({ ...shares, rest: 64 })) {
      expect(Math.abs(counts[variant]! / 1_000 - percent)).toBeLessThan(1)
    }
  })

  it('sticks: the same id gets the same, and stays in when the share grows', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat(100), fc.nat(100), (targetingKey, x, y) => {
        const [small, large] = [Math.min(x, y), Math.max(x, y)]
        const before = decide({ percentage: small }, false, { targetingKey })
        const after = decide({ percentage: large }, false, { targetingKey })
        expect(decide({ percentage: small }, false, { targetingKey })).toEqual(before)
        expect(before.reason).toBe('SPLIT')
        if (before.value) expect(after.value).toBe(true)
      }),
    )
  })

  it('is of other people for another flag, and of the same for one salt', () => {
    const flag = defineFlag({ percentage: 50 })
    const salted = defineFlag({ percentage: 50, salt: 's' })
    let both = 0
    for (let n = 0; n < 10_000; n++) {
      const context = { targetingKey: n }
      const one = evaluate('one', flag, false, context).value
      if (one && evaluate('two', flag, false, context).value) both++
      expect(evaluate('one', salted, false, context).value).toBe(
        evaluate('two', salted, false, context).value,
      )
    }
    expect(Math.abs(both / 100 - 25)).toBeLessThan(2)
  })

  it('puts an id where every release before put it', () => {
    // Another hash would move users from one variant to the other. docs/concepts/flags.md shows these.
    const places = ['dan', 'gus', 'ada', 'ü', '42'].map((id) => placeOf('new-ui', id).toFixed(4))
    expect(places).toEqual(PINNED)
  })

  it('needs to know who asks', () => {
    expect(decide({ percentage: 50 }, true)).toMatchObject({
      value: true,
      reason: 'ERROR',
      errorCode: 'TARGETING_KEY_MISSING',
    })
    expect(decide({ percentage: 100, stickBy: 'tenant.id' }, false, { tenant: { id: 5 } })).toEqual(
      {
        value: true,
        reason: 'SPLIT',
        variant: 'on',
      },
    )
  })
})

describe('rules', () => {
  const flag: FlagInput = {
    variants: { blue: 'blue', green: 'green', red: 'red' },
    fallthrough: 'blue',
    rules: [
      { if: { attribute: 'email', is: 'endsWith', value: '@corral.dev' }, variant: 'green' },
      {
        if: [
          { attribute: 'country', is: 'in', value: ['FR', 'DE'] },
          { attribute: 'age', is: 'atLeast', value: 18 },
        ],
        rollout: { red: 100 },
      },
      { if: { attribute: 'beta', is: 'present', not: true }, variant: 'blue' },
    ],
    rollout: { red: 0 },
  }

  it.each([
    [{ email: 'ada@corral.dev', country: 'FR', age: 20 }, 'green', 'TARGETING_MATCH'],
    [{ country: 'FR', age: 20, targetingKey: 'x' }, 'red', 'SPLIT'],
    [{ country: 'FR', age: 17 }, 'blue', 'TARGETING_MATCH'],
    [{ country: 'FR', age: '18' }, 'blue', 'TARGETING_MATCH'],
    [{ beta: 1, targetingKey: 'x' }, 'blue', 'SPLIT'],
  ])('%o gets %s by %s', (context, value, reason) => {
    expect(decide(flag, '', context)).toMatchObject({ value, reason })
  })

  it('of a missing attribute hold only when turned round', () => {
    const by = (condition: Omit<FlagCondition, 'attribute'>): boolean =>
      holds({ attribute: 'plan', ...condition }, {})
    for (const is of ['equals', 'in', 'contains', 'above', 'atMost', 'present'] as const) {
      for (const value of [undefined, null, [undefined], 'x']) {
        expect([is, value, by({ is, value })]).toEqual([is, value, false])
        expect([is, value, by({ is, value, not: true })]).toEqual([is, value, true])
      }
    }
  })

  it('do not reach prototypes', () => {
    const by = (attribute: string): FlagInput => ({
      variants: { on: true, off: false },
      fallthrough: 'off',
      rules: [{ if: { attribute, is: 'present' }, variant: 'on' }],
    })
    for (const attribute of [
      'constructor',
      '__proto__',
      'toString',
      'a.constructor',
      'b.length.x',
    ]) {
      expect(decide(by(attribute), false, { a: {}, b: 'text' }).value).toBe(false)
    }
    expect(decide(by('a.b'), false, { 'a.b': 1 })).toMatchObject({ value: true })
    expect(decide(by('a.b'), false, { a: { b: 1 } })).toMatchObject({ value: true })
  })
})

describe('a flag', () => {
  it.each<[FlagInput, unknown]>([
    [true, true],
    [false, false],
    ['blue', 'blue'],
    [5, 5],
    [{ value: { a: [1] } }, { a: [1] }],
    [{ value: [1] }, [1]],
  ])('of %o gives it, with the reason STATIC', (input, value) => {
    expect(decide(input, value)).toMatchObject({ value, reason: 'STATIC' })
    expect(decide(input, undefined)).toMatchObject({ value })
  })

  it('of another type than asked for gives the caller’s own', () => {
    for (const [input, fallback] of [
      [true, 'x'],
      ['x', 1],
      [1, false],
      [{ value: {} }, 'x'],
    ] as const) {
      expect(decide<unknown>(input, fallback)).toMatchObject({
        value: fallback,
        reason: 'ERROR',
        errorCode: 'TYPE_MISMATCH',
      })
    }
  })

  it('that is disabled gives the caller’s own', () => {
    const flag = { variants: { a: 1 }, fallthrough: 'a', enabled: false }
    expect(decide(flag, 7)).toEqual({ value: 7, reason: 'DISABLED' })
    const off = { value: true, enabled: false, description: 'for later' }
    expect(decide(off, false)).toEqual({ value: false, reason: 'DISABLED' })
    expect(defineFlag(off)).toMatchObject({ description: 'for later' })
  })

  it.each<[unknown, RegExp]>([
    [null, /^flag: /],
    [undefined, /^flag: /],
    [Number.NaN, /^flag value: /],
    [{ value: null }, /^flag value: /],
    [{}, /^variants: /],
    [{ variants: {}, fallthrough: 'a' }, /^variants: /],
    [{ variants: { 1: true }, fallthrough: '1' }, /^variants: a name begins/],
    [{ variants: { a: 1, b: 'x' }, fallthrough: 'a' }, /^variants: must all be of one type/],
    [{ variants: { a: 1 }, fallthrough: 'b' }, /^fallthrough: /],
    [{ value: true, enabled: 'no' }, /^enabled: must be true or false/],
    [{ value: true, rules: [] }, /^rules: is no option beside value/],
    [{ value: true, percentage: 10 }, /^percentage: is no option beside value/],
    [{ percentage: 10, rollout: { on: 50 } }, /^rollout: is no option beside percentage/],
    [{ percentage: 10, variants: { on: true } }, /^variants: is no option beside percentage/],
    [{ percentage: 101 }, /^percentage: /],
    [{ percentage: '1' }, /^percentage: must be a number from 0 to 100, received "1"$/],
    [
      { variants: { a: 1, b: 2 }, fallthrough: 'a', rollout: { a: '1', b: 1 } },
      /^rollout\.a: must be a number from 0 to 100, received "1"$/,
    ],
    [{ variants: { a: 1, b: 2 }, fallthrough: 'a', rollout: { a: 60, b: 60 } }, /not pass 100/],
    [{ variants: { a: 1 }, fallthrough: 'a', rollout: { c: 1 } }, /^rollout: must be one of/],
    [
      { variants: { a: 1 }, fallthrough: 'a', rules: [{ if: { attribute: 'x', value: 1 } }] },
      /either a variant/,
    ],
    [
      { variants: { a: 1 }, fallthrough: 'a', rules: [{ if: { attribute: '' }, variant: 'a' }] },
      /^rules\[0\]\.if\.attribute/,
    ],
    [
      {
        variants: { a: 1 },
        fallthrough: 'a',
        rules: [{ if: { attribute: 'x', is: 'toString' }, variant: 'a' }],
      },
      /^rules\[0\]\.if\.is/,
    ],
    [
      { variants: { a: 1 }, fallthrough: 'a', rules: [{ if: { attribute: 'x' }, variant: 'a' }] },
      /^rules\[0\]\.if\.value: must be given for 'equals', received undefined$/,
    ],
    [
      {
        variants: { a: 1 },
        fallthrough: 'a',
        rules: [{ if: { attribute: 'x', value: 1, not: null }, variant: 'a' }],
      },
      /^rules\[0\]\.if\.not: must be true or false, received null$/,
    ],
  ])('of %o is refused', (input, message) => {
    expect(() => defineFlag(input as FlagInput)).toThrow(message)
  })
})

describe('a fallback that no flag could hold', () => {
  it.each([Number.POSITIVE_INFINITY, Number.NaN, 10n])('as %s throws nothing', (fallback) => {
    expect(() => decide(5, fallback)).not.toThrow()
  })
})
