import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseJson, stringifyValue } from './keyv-json.ts'

const colonish = fc.oneof(
  fc.string(),
  fc.constantFrom(':', '::', ':base64:', ':base64:QUJD', '":', ',":', '[":', 'a:":b', '__proto__'),
)
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    colonish,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      colonish.filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value

describe('JSON as Keyv writes it', () => {
  test('comes back as it was, at every depth', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(parseJson(stringifyValue(value) as string)).toEqual(value)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    [':a', '"::a"'],
    [Object(':a'), '"::a"'],
    ['a:', '"a:"'],
    [Buffer.from('ABC'), '":base64:QUJD"'],
    [{ list: [':x', Buffer.from('ABC')] }, '{"list":["::x",":base64:QUJD"]}'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [Number.NaN, 'null'],
    [undefined, undefined],
    [() => 1, undefined],
  ])('writes %j as %s', (value, text) => {
    expect(stringifyValue(value)).toBe(text)
  })

  test.each([
    '{"__proto__":{"isAdmin":true},"a":1}',
    '{"\\u005f\\u005fproto\\u005f\\u005f":{"isAdmin":true},"a":1}',
    '{"deep":[{"__proto__":{"isAdmin":true}}],"a":1}',
  ])('drops own __proto__ keys: %s', (text) => {
    const value = parseJson(text) as { a: number; deep?: object[] }
    expect(value.a).toBe(1)
    const probe = value.deep?.[0] ?? value
    expect(Object.hasOwn(probe, '__proto__')).toBe(false)
    expect((Object.assign({}, probe) as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  test('reads a BigInt of Keyv 6, and no string as one', () => {
    expect(parseJson('[":bigint:-5",":bigint:x"]')).toEqual([-5n, 'bigint:x'])
    expect(parseJson(stringifyValue([':bigint:5', 'bigint:5']) as string)).toEqual([
      ':bigint:5',
      'bigint:5',
    ])
  })

  test('undoes the escaping of a writer that uses white space or unicode escapes', () => {
    expect(parseJson('{ "value" : "::a" }')).toEqual({ value: ':a' })
    expect(parseJson('["\\u003a:a"]')).toEqual([':a'])
  })
})
