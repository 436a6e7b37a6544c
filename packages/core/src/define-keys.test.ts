import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineKeys } from './define-keys.ts'

const keys = defineKeys({
  user: 'user:{id}',
  credits: 'user:{id}:credits',
  typing: 'typing:{conversation}:{user}',
  settings: 'config:settings',
})

describe('defineKeys', () => {
  it('fills placeholders in order', () => {
    expect(keys.user('123')).toBe('user:123')
    expect(keys.credits(7)).toBe('user:7:credits')
    expect(keys.typing('c1', 'u2')).toBe('typing:c1:u2')
    expect(keys.settings()).toBe('config:settings')
  })

  it('gives different keys for parts that a plain join would mix', () => {
    expect(keys.typing('1:admin', 'x')).not.toBe(keys.typing('1', 'admin:x'))
  })

  it('builds patterns that keep hostile parts literal', () => {
    expect(keys.credits.pattern()).toBe('user:*:credits')
    expect(keys.typing.pattern('c1')).toBe('typing:c1:*')
    expect(keys.user.pattern('*')).toBe('user:\\*')
  })

  it('parses what it built, for any parts, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.string({ unit: 'grapheme' }),
        (conversation, user) => {
          expect(keys.typing.parse(keys.typing(conversation, user))).toEqual({ conversation, user })
        },
      ),
    )
    expect(keys.typing.parse('typing:only-one')).toBeUndefined()
    expect(keys.user.validate('user:1:credits')).toBe(false)
    expect(keys.user.validate('user:%41')).toBe(false)
    expect(keys.user.validate('user:1')).toBe(true)
  })

  it('says what is wrong with a template that is no text, and with too few parts', () => {
    const templates: unknown = { user: 5 }
    expect(() => defineKeys(templates as Record<string, string>)).toThrow(
      'user: a key template must be a string, received 5',
    )
    const build = keys.user as (...parts: string[]) => string
    expect(() => build()).toThrow("user: 'user:{id}' takes 1 part, received 0")
  })

  it('never builds one key for different parts', () => {
    const pair = fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }))
    fc.assert(
      fc.property(pair, pair, (one, other) => {
        const isSame = one[0] === other[0] && one[1] === other[1]
        expect(keys.typing(...one) === keys.typing(...other)).toBe(isSame)
      }),
    )
  })

  it.each([
    ['', 'must not be empty'],
    ['user:{id', 'placeholders'],
    ['user:id}', 'placeholders'],
    ['user:{}', 'placeholders'],
    ['a:{id}:{id}', 'repeat'],
    ['a:{id}{name}', "':' between"],
    ['a:{id}-{name}', "':' between"],
    ['a:*', 'wildcards'],
  ])('refuses the template %j', (template, rule) => {
    expect(() => defineKeys({ broken: template })).toThrow(TypeError)
    expect(() => defineKeys({ broken: template })).toThrow(rule)
  })

  it.each([undefined, null, Number.NaN, {}, ['a']])('refuses the part %j', (part) => {
    expect(() => keys.user(part as string)).toThrow(TypeError)
  })
})
