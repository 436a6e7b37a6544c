import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkNamespace } from './namespace.ts'

const accepted = (namespace: unknown): boolean => {
  try {
    checkNamespace(namespace)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    return false
  }
}

describe('checkNamespace', () => {
  it.each(['shop', 'chat:v1', 'a:b:c', 'bulletin', 'größe', '50%'])('accepts %j', (namespace) => {
    expect(accepted(namespace)).toBe(true)
  })

  it.each([
    ['', 'must not be empty'],
    [undefined, 'must be a string, received undefined'],
    ['a{b', 'braces'],
    ['a}b', 'braces'],
    ['a*', 'glob'],
    ['a?', 'glob'],
    ['[a]', 'glob'],
    ['a\\', 'glob'],
    ['a b', 'white space'],
    ['a\u0000', 'control'],
    ['a\u0085', 'control'],
    ['a\u00a0', 'white space'],
    [':a', "start or end with ':'"],
    ['a:', "start or end with ':'"],
    ['a::b', "'::'"],
    ['bull', 'BullMQ'],
    ['bull:emails', 'BullMQ'],
    ['a\ud800', 'well-formed'],
  ])('refuses %j: %s', (namespace, rule) => {
    expect(() => checkNamespace(namespace)).toThrow(TypeError)
    expect(() => checkNamespace(namespace)).toThrow(rule)
    expect(() => checkNamespace(namespace)).toThrow(/^namespace: .*received /)
  })

  it('keeps the keys of two namespaces apart', () => {
    const name = fc
      .string({ unit: fc.constantFrom('a', 'b', ':', 'bull'), minLength: 1, maxLength: 6 })
      .filter(accepted)
    const key = fc.string({ unit: fc.constantFrom('a', 'b', ':'), maxLength: 6 })
    fc.assert(
      fc.property(name, name, key, key, (left, right, leftKey, rightKey) => {
        fc.pre(left !== right)
        expect(`${left}::${leftKey}`).not.toBe(`${right}::${rightKey}`)
        expect(`${left}::`.startsWith(`${right}::`)).toBe(false)
      }),
      { numRuns: 5_000 },
    )
  })
})
