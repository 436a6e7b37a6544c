import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Decoded, type DecodedEntry, type Stored, textOf } from './entry-format.ts'
import { keyHash } from './key-hash.ts'
import { plainEntry } from './plain-entry.ts'
import {
  composeEntry,
  decodeEntry,
  encodeEntry,
  entryIdentity,
  leaseText,
  withValue,
} from './wire-entry.ts'

const KEY = 'shop:v1::user:1'
const AT = 1_795_148_236_136_123
const EXPIRES = 1_795_151_836_136

function entry(
  draft: Omit<Parameters<typeof encodeEntry>[0], 'redisKey'>,
  expires?: number,
): string {
  return composeEntry(encodeEntry({ redisKey: KEY, ...draft }) as string, AT, expires)
}

describe('entries', () => {
  test('carry value, times, tags and stamps there and back', () => {
    const text = entry(
      {
        value: { name: ':x' },
        tags: ['user:1', ':odd'],
        staleMs: 60_000,
        costMs: 12.2,
        seen: [0, AT, 0],
      },
      EXPIRES,
    )
    expect(decodeEntry(text, KEY)).toEqual({
      kind: 'entry',
      value: { name: ':x' },
      loadedAt: AT,
      expires: EXPIRES,
      freshUntil: EXPIRES - 60_000,
      staleMs: 60_000,
      foreign: false,
      costMs: 13,
      tags: ['user:1', ':odd'],
      seen: [0, AT, 0],
      encoded: undefined,
    })
  })

  test.each([null, false, 0, '', [], {}, ':'])('hold %j as a value', (value) => {
    expect(decodeEntry(entry({ value }), KEY)).toMatchObject({ kind: 'entry', value })
  })

  test('cannot hold undefined', () => {
    expect(encodeEntry({ redisKey: KEY, value: undefined })).toBeUndefined()
  })

  test('without an end are fresh forever', () => {
    const decoded = decodeEntry(entry({ value: 1, staleMs: 5 }), KEY) as DecodedEntry
    expect([decoded.expires, decoded.freshUntil]).toEqual([undefined, undefined])
  })

  test('of another key are not served', () => {
    expect(decodeEntry(entry({ value: 1 }, EXPIRES), 'shop:v1::user:2')).toEqual({
      kind: 'mismatch',
    })
  })

  test('of a codec hand out its data, and show Keyv no value', () => {
    const text = entry({ value: undefined, encoded: { codec: 'msgpack', data: 'gAE=' } }, EXPIRES)
    expect(decodeEntry(text, KEY)).toMatchObject({ encoded: { codec: 'msgpack', data: 'gAE=' } })
    expect(JSON.parse(text)).not.toHaveProperty('value')
  })
})

describe('what others wrote', () => {
  test.each([
    ['{"value":{"a":1},"expires":1795151836136}', { value: { a: 1 }, expires: EXPIRES }],
    ['{"value":null}', { value: null, expires: undefined }],
    ['{"expires":1795151836136,"value":"::a"}', { value: ':a', expires: EXPIRES }],
    ['{"value":1,"expires":"soon"}', { value: 1, expires: undefined }],
    ['42', { value: 42 }],
    ['-7', { value: -7 }],
  ])('%s is an entry without a load time', (text, expected) => {
    expect(decodeEntry(text, KEY)).toMatchObject({
      kind: 'entry',
      loadedAt: undefined,
      ...expected,
    })
  })

  test.each([
    ['', 'garbage'],
    ['{}', 'garbage'],
    ['{"expires":5}', 'garbage'],
    ['[1]', 'garbage'],
    ['"text"', 'garbage'],
    ['null', 'garbage'],
    ['1.5', 'garbage'],
    ['{"value":1', 'garbage'],
    ['{"lease":"x"', 'garbage'],
    ['{"c":"1","value":1}', 'garbage'],
    ['{"c":1,"value":1}', 'garbage'],
    ['{"c":1,"at":5,"h":1,"value":1}', 'mismatch'],
    ['{"c":2,"at":5,"body":{}}', 'newer'],
    ['{"c":2,"at":5,\u0001binary', 'newer'],
    ['{"c":1,"at":5,\u0001binary', 'garbage'],
    [leaseText('abc', AT), 'lease'],
  ])('%s is %s', (text, kind) => {
    expect(decodeEntry(text, KEY).kind).toBe(kind)
  })

  test('nothing makes the decoder throw', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((body) => `{"c":1,"at":1,"value":${body}}`),
      fc
        .tuple(fc.nat(120), fc.string({ maxLength: 3 }))
        .map(([cut, noise]) => entry({ value: [1], tags: ['t'] }, EXPIRES).slice(0, cut) + noise),
      fc.constant(`{"value":":${'['.repeat(50_000)}`),
      fc.constant(`{"value":${'['.repeat(50_000)}":a"${']'.repeat(50_000)}}`),
    )
    fc.assert(
      fc.property(texts, (text) => {
        expect(decodeEntry(Buffer.from(text), KEY)).toEqual(decodeEntry(text, KEY))
      }),
      { numRuns: 5000 },
    )
  })

  test('an own __proto__ in the envelope sets nothing', () => {
    const decoded = decodeEntry(
      '{"value":{"a":1,"__proto__":{"isAdmin":true}}}',
      KEY,
    ) as DecodedEntry
    expect((Object.assign({}, decoded.value) as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })
})

describe('identity', () => {
  test('is the head for our entries, so that its size does not depend on the value', () => {
    const text = entry({ value: 'x'.repeat(1000) }, EXPIRES)
    expect(entryIdentity(text)).toBe(`{"c":1,"at":${AT},"expires":${EXPIRES},`)
    expect(entryIdentity(entry({ value: 1, seen: [AT] }))).toBe(`{"c":1,"at":${AT},`)
  })

  test('is a digest for everything else', () => {
    expect(entryIdentity('{"value":1}')).toMatch(/^[0-9a-f]{40}$/)
    expect(entryIdentity('{"value":1}')).not.toBe(entryIdentity('{"value":2}'))
  })
})

describe('reading the bytes of an entry', () => {
  /** All that there is to know, also what a getter tells. */
  function decode(stored: Stored): Decoded {
    const decoded = decodeEntry(stored, KEY)
    return decoded.kind === 'entry' ? withValue(decoded, decoded.value) : decoded
  }

  function allOf(stored: Stored): DecodedEntry {
    const decoded = decode(stored)
    if (decoded.kind !== 'entry') throw new Error(`${decoded.kind}: ${textOf(stored)}`)
    return decoded
  }

  const expiries = fc.oneof(
    fc.constant(undefined),
    fc.integer({ min: 10 ** 12, max: 10 ** 13 - 1 }),
    fc.integer({ min: 1, max: 2 ** 50 }),
  )
  const moments = fc.oneof(fc.constant(AT), fc.integer({ min: 1, max: 2 ** 53 - 1 }))

  test('gives what its text gives, for any value', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.string(), fc.constantFrom(':x', [':base64:'], { a: ':' })),
        moments,
        expiries,
        fc.nat(10_000),
        fc.nat(10_000),
        (value, at, expires, staleMs, costMs) => {
          const tail = encodeEntry({ redisKey: KEY, value, staleMs, costMs })
          const text = composeEntry(tail as string, at, expires)
          const bytes = Buffer.from(text)
          expect(allOf(bytes)).toStrictEqual(allOf(text))
          expect(allOf(bytes).value).toStrictEqual(
            JSON.parse(JSON.stringify(value), (key, one: unknown) =>
              key === '__proto__' ? undefined : one,
            ),
          )
          expect(entryIdentity(bytes)).toBe(entryIdentity(text))
          expect(decodeEntry(bytes, `${KEY}0`)).toEqual({ kind: 'mismatch' })
          expect(decodeEntry(bytes, KEY, keyHash(`${KEY}0`))).toEqual(decodeEntry(text, KEY))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['a value', { value: { a: 'ü', b: [1] } }, true],
    ['a stale share and a cost', { value: 0, staleMs: 5, costMs: 7 }, true],
    ['tags', { value: 1, tags: ['t'] }, false],
    ['escapes', { value: { a: ':' } }, false],
    ['stamps that were seen', { value: 1, seen: [AT] }, false],
    ['a codec', { value: undefined, encoded: { codec: 'x', data: '' } }, false],
  ])('takes the short way with %s: %j %s', (_, draft, short) => {
    for (const expires of [EXPIRES, undefined]) {
      expect(plainEntry(Buffer.from(entry(draft, expires)), keyHash(KEY)) !== undefined).toBe(short)
    }
  })

  test('takes nothing torn for an entry', () => {
    const tail = encodeEntry({ redisKey: KEY, value: { list: [1, { deep: 'x}' }], n: 123 } })
    const bytes = Buffer.from(composeEntry(tail as string, AT, EXPIRES))
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeEntry(bytes.subarray(0, length), KEY).kind).toBe('garbage')
    }
  })

  const strings = fc.oneof(
    fc.string(),
    fc.constantFrom(
      ':',
      '::',
      ':base64:QUJD',
      ':bigint:5',
      '":x',
      'a":":b',
      '[":',
      'Buffer',
      '\ud800',
      '\u0001:',
    ),
  )
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      strings,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
      strings.map((text) => ({ toJSON: () => text })),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        strings.filter((key) => key !== '__proto__'),
        tie('value'),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  })).value

  test('gives back strings and Buffers that look like escapes, at any depth', () => {
    fc.assert(
      fc.property(values, (value) => {
        const tail = encodeEntry({ redisKey: KEY, value }) as string
        const bytes = Buffer.from(composeEntry(tail, AT, EXPIRES))
        expect(allOf(bytes)).toStrictEqual(allOf(bytes.toString()))
        expect(JSON.stringify(allOf(bytes).value)).toBe(JSON.stringify(value))
      }),
      { numRuns: 2_000 },
    )
  })

  test.each([
    '"stale":,',
    '"stale":12345678901234567,',
    '"stale":-5,',
    '"stale":1.5,',
    '"stale":1e3,',
    '"cost":,',
    '"cost":12345678901234567,',
    '"cost":"5",',
    '"csc":1,',
    '"stale":1,"stale":2,',
    '"cost":1,"stale":2,',
  ])('is as sure of its numbers: %s', (field) => {
    const text = entry({ value: ':' }, EXPIRES).replace('"esc":1,', field)
    expect(decode(Buffer.from(text))).toStrictEqual(decode(text))
  })

  test.each([
    ['"at":1795148236136123', '"at":179514823613612'],
    ['"at":1795148236136123', '"at":17951482361361234'],
    ['"at":1795148236136123', '"at":179514823613612x'],
    ['"expires":1795151836136', '"expires":179515183613'],
    ['"expires":1795151836136', '"expires":17951518361361'],
    ['"expires":1795151836136', '"expires":1.95151836136'],
    ['"expires":1795151836136', '"expires":17951518361361234'],
    ['"expires":1795151836136', '"expires":'],
    ['"c":1', '"c":2'],
    ['"c":1', '"c":10'],
    ['"c":1', '"c":0'],
    ['"h":', '"h":1'],
    ['"h":', '"h":-'],
    ['"h":', '"x":'],
    ['"value"', '"x":1,"value"'],
    [/}$/, ',"tags":["t"]}'],
    [/}$/, '} '],
    [/}$/, '}}'],
    [/}$/, ']'],
    ['ü', '\ufffd'],
  ])('with %s as %s', (what, instead) => {
    const text = entry({ value: { a: 'ü' } }, EXPIRES).replace(what, instead)
    expect(decode(Buffer.from(text))).toStrictEqual(decode(text))
    const bytes = Buffer.from(text, 'latin1')
    expect(decode(bytes)).toStrictEqual(decode(bytes.toString()))
  })

  test.each(['__proto__', '\\u005f_proto__', '__pr\\u006Fto__'])(
    'drops own __proto__ keys spelled %s',
    (spelled) => {
      const tail = encodeEntry({ redisKey: KEY, value: 1 }) as string
      const value = `{"${spelled}":{"isAdmin":true},"a":1}`
      const text = composeEntry(
        tail.replace(/1\}$/, () => `${value}}`),
        AT,
        EXPIRES,
      )
      const decoded = decodeEntry(Buffer.from(text), KEY)
      expect(decoded.kind === 'entry' && Object.keys(decoded.value as object)).toEqual(['a'])
    },
  )
})
