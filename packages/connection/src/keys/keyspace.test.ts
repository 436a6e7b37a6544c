import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKeyspace } from './keyspace.ts'

/** Strings that reach every branch: escapes, braces, white space, astral, long, near-misses. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.string({
    unit: fc.constantFrom(
      '%',
      '#',
      '{',
      '}',
      ' ',
      '\n',
      ':',
      '*',
      '?',
      '[',
      ']',
      '\\',
      '_',
      'a',
      '2',
      '5',
      'é',
      '\u0085',
    ),
    maxLength: 300,
  }),
)
const shop = createKeyspace({ namespace: 'shop:v1' })

describe('createKeyspace', () => {
  it.each([
    ['user:1', 'shop:v1::user:1'],
    ['', 'shop:v1::'],
    ['100%', 'shop:v1::100%25'],
    ['a b\t{c}', 'shop:v1::a%20b%09%7Bc%7D'],
    ['a\u00a0b\u2028c', 'shop:v1::a%C2%A0b%E2%80%A8c'],
    ['käse/*?[x]\\', 'shop:v1::käse/*?[x]\\'],
  ])('stores %j as %j', (key, redisKey) => {
    expect(shop.key(key)).toBe(redisKey)
    expect(shop.decode(redisKey)).toBe(key)
  })

  it('gives every key back from its Redis key, unless only the digest is stored', () => {
    fc.assert(
      fc.property(hostile, (key) => {
        const redisKey = shop.key(key)
        if (shop.head(redisKey) === undefined) expect(shop.decode(redisKey)).toBe(key)
        else {
          expect(shop.decode(redisKey)).toBeUndefined()
          expect(key.startsWith(shop.head(redisKey) ?? '?')).toBe(true)
        }
      }),
      { numRuns: 3_000 },
    )
  })

  it('never lets two different keys meet', () => {
    const tight = createKeyspace({ namespace: 'n', maxKeyLength: 80 })
    const near = fc.tuple(hostile, hostile, fc.nat(4)).map(([a, b, how]): [string, string] => {
      if (how === 0) return [a, b]
      if (how === 1) return [a, encodeURIComponent(a)]
      if (how === 2) return [a, tight.key(a).slice(tight.prefix.length)]
      if (how === 3) return ['x'.repeat(300) + a, 'x'.repeat(300) + b]
      return [a + b, a]
    })
    fc.assert(
      fc.property(near, ([a, b]) => {
        for (const keyspace of [shop, tight]) {
          expect(keyspace.key(a) === keyspace.key(b)).toBe(a === b)
        }
      }),
      { numRuns: 3_000 },
    )
  })

  it('stays inside the namespace, within the length, and free of what Redis gives a meaning', () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 73, max: 300 }), (key, maxKeyLength) => {
        const keyspace = createKeyspace({ namespace: 'shop:v1', maxKeyLength })
        const redisKey = keyspace.key(key)
        expect(redisKey.startsWith('shop:v1::')).toBe(true)
        expect(Buffer.byteLength(redisKey)).toBeLessThanOrEqual(maxKeyLength)
        expect(redisKey).not.toMatch(/[{}\s\p{Cc}\p{Surrogate}]/u)
      }),
      { numRuns: 3_000 },
    )
  })

  it('counts the limit in bytes, and turns to a digest only beyond it', () => {
    const room = 250 - 'shop:v1::'.length
    for (const fits of [
      'a'.repeat(room),
      'é'.repeat(Math.floor(room / 2)),
      ' '.repeat(Math.floor(room / 3)),
    ]) {
      expect(shop.head(shop.key(fits))).toBeUndefined()
      expect(shop.decode(shop.key(fits))).toBe(fits)
      const over = shop.key(`${fits}é`)
      expect(over).toMatch(/%#[\w-]{43}$/)
      expect(Buffer.byteLength(over)).toBeLessThanOrEqual(250)
    }
  })

  it('cuts the head between characters, never inside one', () => {
    for (const filler of ['é', '𝄞', '\u3000', 'a\u3000']) {
      for (let shift = 0; shift < 12; shift++) {
        const key = 'x'.repeat(shift) + filler.repeat(300)
        expect(key.startsWith(shop.head(shop.key(key)) ?? '?')).toBe(true)
      }
    }
  })

  it('does not decode what it would not have written', () => {
    for (const foreign of [
      'shop:v1::a b',
      'shop:v1::%41',
      'shop:v1::%7b',
      'shop:v1::%',
      'shop:v1::a%#b',
      'shop:v1::%FF',
      'shop:v2::a',
      'bull:q:1',
    ]) {
      expect(shop.decode(foreign)).toBeUndefined()
    }
  })

  it.each(['\ud800', 'a\udc00b', 'x'.repeat(300) + '\ud83d'])(
    'refuses lone surrogates (%j)',
    (key) => {
      for (const sanitize of ['encode', 'replace', (k: string): string => k] as const) {
        expect(() => createKeyspace({ namespace: 'n', sanitize }).key(key)).toThrow(TypeError)
      }
    },
  )

  it('refuses what is no string, naming it', () => {
    expect(() => shop.key(42 as never)).toThrow('key: must be a string, received 42')
    expect(() => shop.key(undefined as never)).toThrow(TypeError)
  })

  it("'replace' gives each bad character one underscore", () => {
    const lossy = createKeyspace({ namespace: 'n', sanitize: 'replace' })
    expect(lossy.key('a b{c}%\n')).toBe('n::a_b_c___')
    expect(lossy.decode('n::a_b_c___')).toBe('a_b_c___')
  })

  it('encodes what a sanitize function returns, and refuses a result that is no string', () => {
    const custom = createKeyspace({ namespace: 'n', sanitize: (key) => `${key.toLowerCase()} {` })
    expect(custom.key('A')).toBe('n::a%20%7B')
    const wrong = createKeyspace({ namespace: 'n', sanitize: (() => 1) as never })
    expect(() => wrong.key('a')).toThrow('sanitize: must return a string, received 1')
  })

  it.each([
    [{ sanitize: 'other' }, TypeError, /^sanitize: .*"other"/],
    [{ maxKeyLength: 63 }, RangeError, /^maxKeyLength: .*63/],
    [{ maxKeyLength: 70.5 }, RangeError, /^maxKeyLength: .*70\.5/],
    [
      { namespace: 'x'.repeat(200), maxKeyLength: 250 },
      RangeError,
      /^maxKeyLength: must leave 64 bytes/,
    ],
  ])('refuses %j', (options, kind, message) => {
    const make = (): unknown => createKeyspace({ namespace: 'n', ...options } as never)
    expect(make).toThrow(kind)
    expect(make).toThrow(message)
  })
})
