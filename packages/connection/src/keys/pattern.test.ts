import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKeyspace } from './keyspace.ts'
import { compilePattern, escapeGlob, type Match } from './pattern.ts'

const shop = createKeyspace({ namespace: 'shop:v1' })
const tight = createKeyspace({ namespace: 'n', maxKeyLength: 80 })

/** `stringmatchlen` of redis/src/util.c, over bytes. */
function redisGlob(pattern: Buffer, text: Buffer): boolean {
  let p = 0
  let t = 0
  while (p < pattern.length) {
    const code = pattern[p]
    if (code === 0x2a) {
      while (pattern[p + 1] === 0x2a) p++
      if (p + 1 === pattern.length) return true
      for (let rest = t; rest <= text.length; rest++) {
        if (redisGlob(pattern.subarray(p + 1), text.subarray(rest))) return true
      }
      return false
    }
    if (t >= text.length) return false
    if (code === 0x5b) throw new Error('a class: an unescaped [')
    if (code === 0x5c && p + 1 < pattern.length) p++
    if (code !== 0x3f && pattern[p] !== text[t]) return false
    p++
    t++
  }
  return t === text.length
}

function scanned(keyspace: typeof shop, pattern: string, redisKey: string): boolean {
  return compilePattern(keyspace, pattern).scanPatterns.some((glob) =>
    redisGlob(Buffer.from(glob), Buffer.from(redisKey)),
  )
}

/** What `*` and `?` mean, by a regular expression: slow for hostile input, but plainly right. */
function reference(pattern: string): RegExp {
  const source = Array.from(pattern, (character) => {
    if (character === '*') return '[^]*'
    if (character === '?') return '[^]'
    return character.replace(/[$()+./[\\\]^{|}-]/u, '\\$&')
  })
  return new RegExp(`^${source.join('')}$`, 'u')
}

describe('compilePattern', () => {
  it.each([
    ['user:1', ['user:1', 'user:1:cart', 'user:1:'], ['user:10', 'user:1x', 'user:', 'xuser:1']],
    ['user:', ['user:', 'user:1', 'user:1:cart'], ['user', 'users:1']],
    ['user:*', ['user:', 'user:1:cart'], ['user', 'users:1']],
    ['user:?', ['user:1', 'user:é', 'user:𝄞'], ['user:', 'user:10']],
    ['*:cart', ['user:1:cart', ':cart'], ['cart', 'user:cart:1']],
    ['user:*:cart', ['user:1:cart', 'user::cart', 'user:a:b:cart'], ['user:cart', 'user:1:carts']],
    ['*', ['', 'anything', 'a\nb'], []],
    ['a\\*b', ['a*b', 'a*b:c'], ['axb', 'a\\*b']],
    ['a[1]', ['a[1]', 'a[1]:x'], ['a1']],
    ['a b', ['a b', 'a b:c'], ['a%20b']],
    ['a\\', ['a\\'], ['a']],
  ])('%j', (pattern, hits, misses) => {
    const compiled = compilePattern(shop, pattern)
    const found = (key: string): boolean =>
      compiled.exactKey === shop.key(key) || scanned(shop, pattern, shop.key(key))
    expect(hits.filter((key) => !compiled.test(key))).toEqual([])
    expect(hits.filter((key) => compiled.match(shop.key(key)) !== 'yes')).toEqual([])
    expect(hits.filter((key) => !found(key))).toEqual([])
    expect(misses.filter((key) => compiled.test(key))).toEqual([])
    expect(misses.filter((key) => compiled.match(shop.key(key)) !== 'no')).toEqual([])
  })

  it('agrees with a regular expression on wildcards', () => {
    const unit = fc.constantFrom('a', 'b', ':', '*', '?', '%', '{', ' ', '𝄞', '\n')
    const pattern = fc
      .string({ unit, minLength: 1, maxLength: 12 })
      .filter((text) => /[*?]/.test(text))
    const key = fc.string({ unit, maxLength: 12 })
    fc.assert(
      fc.property(pattern, key, (text, subject) => {
        expect(compilePattern(shop, text).test(subject)).toBe(reference(text).test(subject))
      }),
      { numRuns: 10_000 },
    )
  })

  it('finds by SCAN whatever matches, digest or not, and tells what it cannot see', () => {
    const unit = fc.constantFrom('a', 'b', ':', '*', '?', '[', ']', '\\', '%', '{', ' ', '𝄞')
    const text = fc.string({ unit, maxLength: 8 })
    const cases = fc.tuple(text, text, fc.nat(60)).map(([start, rest, repeat]) => ({
      key: start + rest.repeat(1 + repeat),
      start,
    }))
    const seen = new Set<Match>()
    fc.assert(
      fc.property(cases, fc.nat(3), text, ({ key, start }, how, other) => {
        const pattern =
          [
            `${escapeGlob(start)}*`,
            escapeGlob(key),
            `${escapeGlob(Array.from(key).slice(0, 40).join(''))}*`,
            `${other}*`,
          ][how] ?? '*'
        fc.pre(pattern !== '')
        const compiled = compilePattern(tight, pattern)
        const redisKey = tight.key(key)
        const answer = compiled.match(redisKey)
        seen.add(answer)
        if (answer !== 'maybe') expect(answer === 'yes').toBe(compiled.test(key))
        if (compiled.test(key)) {
          expect(answer).not.toBe('no')
          expect(redisKey === compiled.exactKey || scanned(tight, pattern, redisKey)).toBe(true)
        }
      }),
      { numRuns: 5_000 },
    )
    expect(seen).toEqual(new Set(['yes', 'no', 'maybe']))
  })

  it('keeps every SCAN pattern inside the namespace, whatever the pattern holds', () => {
    const outside = [
      'bull:q:id',
      'shop:v2::a',
      'shop:v10::a',
      'corral:lease:{shop:v1::a}',
      'xshop:v1::a',
      'shop:v1:a',
    ]
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), (pattern) => {
        const { scanPatterns } = compilePattern(shop, pattern)
        for (const glob of scanPatterns) {
          const literal = glob.slice(0, -1)
          expect(glob.endsWith('*') && !/(?<!\\)(?:\\\\)*[*?[\]]/.test(literal)).toBe(true)
          expect(glob.startsWith('shop:v1::')).toBe(true)
          for (const redisKey of outside)
            expect(redisGlob(Buffer.from(glob), Buffer.from(redisKey))).toBe(false)
        }
        for (const redisKey of outside)
          expect(compilePattern(shop, pattern).match(redisKey)).toBe('no')
      }),
    )
  })

  it('a literal that was escaped means itself and what lies below it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
        fc.string({ unit: 'binary', maxLength: 60 }),
        (key, other) => {
          fc.pre(!key.endsWith(':'))
          const compiled = compilePattern(shop, escapeGlob(key))
          expect(compiled.exactKey).toBe(shop.key(key))
          expect(compiled.test(other)).toBe(other === key || other.startsWith(`${key}:`))
        },
      ),
    )
  })

  it('stays linear on a pattern that makes backtracking matchers explode', () => {
    const compiled = compilePattern(shop, `${'a*'.repeat(200)}b`)
    const started = performance.now()
    expect(compiled.test('a'.repeat(5_000))).toBe(false)
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  it("follows sanitize 'replace' in its literals", () => {
    const lossy = createKeyspace({ namespace: 'n', sanitize: 'replace' })
    const compiled = compilePattern(lossy, 'a b:*')
    expect(compiled.match(lossy.key('a b:c'))).toBe('yes')
    expect(compilePattern(lossy, 'a b').exactKey).toBe('n::a_b')
  })

  it.each([
    ['', 'must not be empty'],
    [7, 'must be a string, received 7'],
    ['\ud800', 'well-formed'],
  ])('refuses %j', (pattern, rule) => {
    expect(() => compilePattern(shop, pattern as string)).toThrow(TypeError)
    expect(() => compilePattern(shop, pattern as string)).toThrow(rule)
  })
})
