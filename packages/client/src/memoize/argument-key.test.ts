import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { argumentKey } from './argument-key.ts'

describe('argumentKey', () => {
  it.each<[string, unknown[], unknown[]]>([
    ['properties in another order', [{ a: 1, b: { c: 2, d: 3 } }], [{ b: { d: 3, c: 2 }, a: 1 }]],
    ['undefined at the end', [1], [1, undefined]],
    ['no arguments', [], [undefined]],
    ['0 and -0', [0], [-0]],
    [
      'maps in another order',
      [
        new Map([
          [1, 2],
          [3, 4],
        ]),
      ],
      [
        new Map([
          [3, 4],
          [1, 2],
        ]),
      ],
    ],
    ['sets in another order', [new Set(['a', 'b'])], [new Set(['b', 'a'])]],
    ['the same moment', [new Date(5)], [new Date(5)]],
    ['an object without a prototype', [{ a: 1 }], [Object.assign(Object.create(null), { a: 1 })]],
  ])('is the same for %s', (_what, one, two) => {
    expect(argumentKey(one)).toBe(argumentKey(two))
  })

  const different: unknown[][] = [
    [1],
    ['1'],
    [1n],
    [true],
    ['true'],
    [null],
    ['null'],
    [],
    [undefined, 1],
    [[1]],
    [[[1]]],
    [[1, 2]],
    [1, 2],
    ['1,2'],
    [[], []],
    [[]],
    // oxlint-disable-next-line no-sparse-arrays -- a hole is an element too
    [[,]],
    [[undefined, undefined]],
    [[[], []]],
    [{}],
    [{ a: undefined }],
    [{ a: null }],
    [{ 'a":1,"b': 2 }],
    [{ a: 1, b: 2 }],
    [new Date(1)],
    ['Date(1)'],
    [new Date(Number.NaN)],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [new Map()],
    [new Set()],
    [new Map([[1, 2]])],
    [new Map([['1', 2]])],
    [Buffer.from('x')],
    [new URL('http://a/')],
    ['a'.repeat(200)],
    ['a'.repeat(201)],
    [`#${'x'.repeat(43)}`],
  ]
  it('is another one for each of these', () => {
    expect(new Set(different.map(argumentKey)).size).toBe(different.length)
  })

  it('tells exactly what differs', () => {
    const value = fc.jsonValue({ maxDepth: 3 })
    const args = fc.array(value, { maxLength: 3 })
    const canonical = (list: readonly unknown[]): unknown =>
      JSON.parse(JSON.stringify(list).replaceAll(/(?<![\d.e])-0(?![\d.])/g, '0'))
    fc.assert(
      fc.property(args, args, (one, two) => {
        const same = isDeepStrictEqual(canonical(one), canonical(two))
        expect(argumentKey(one) === argumentKey(two)).toBe(same)
      }),
      { numRuns: 2_000 },
    )
  })

  it('refuses what has no such form', () => {
    class Money {
      amount = 1
    }
    const loop: Record<string, unknown> = {}
    loop['self'] = loop
    // What these hold beside their contents would be lost: two of them were one call.
    class Zoned extends Date {
      zone = 'Europe/Paris'
    }
    class Tagged extends Map {
      tenant = 1
    }
    class List extends Array {}
    class Bytes extends Uint8Array {}
    const operator = { [Symbol('gt')]: 5 }
    const values = [() => 1, Symbol('x'), new Money(), loop, new WeakMap(), /x/]
    const kinds = [new Zoned(), new Tagged(), new List(), new Bytes(), operator, [operator]]
    for (const value of [...values, ...kinds]) {
      expect(() => argumentKey([1, value])).toThrow(/^argument 1: .*cannot be part of a key/)
    }
    const shared = { a: 1 }
    expect(argumentKey([[shared, shared]])).toBe('[{"a":1},{"a":1}]')
  })
})
