import calculateSlot from 'cluster-key-slot'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePart } from './encoding.ts'
import { createKeyspace } from './keyspace.ts'
import { ownKey } from './own-key.ts'

describe('ownKey', () => {
  it('lies outside every namespace, with a hash tag', () => {
    expect(ownKey('stamp', 'shop:v1', 'tag', 'user:1')).toBe('corral:stamp:{shop:v1}:tag:user%3A1')
    expect(ownKey('lease', 'shop:v1::a')).toBe('corral:lease:{shop:v1::a}')
  })

  it('lies in the slot of the Redis key that is its tag', () => {
    const shop = createKeyspace({ namespace: 'shop:v1' })
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.string({ unit: 'binary' }),
        (key, rest) => {
          const redisKey = shop.key(key)
          expect(calculateSlot(ownKey('lease', redisKey, rest))).toBe(calculateSlot(redisKey))
        },
      ),
    )
  })

  it.each([
    ['Lease', 'a'],
    ['', 'a'],
    ['a:b', 'a'],
    ['lease', ''],
    ['lease', 'a}b'],
    ['lease', 'a b'],
    ['lease', '\ud800'],
  ])('refuses kind %j with tag %j', (kind, tag) => {
    expect(() => ownKey(kind, tag)).toThrow(TypeError)
  })
})

describe('encodePart', () => {
  it('keeps parts apart that a plain join would mix', () => {
    expect(encodePart('1:admin')).toBe('1%3Aadmin')
    const part = fc.string({ unit: fc.constantFrom(':', '%', '3', 'A', 'a', ' ', '{') })
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.array(part, { minLength: 1, maxLength: 4 }),
        (left, right) => {
          const same =
            left.length === right.length && left.every((text, index) => text === right[index])
          expect(left.map(encodePart).join(':') === right.map(encodePart).join(':')).toBe(same)
        },
      ),
      { numRuns: 5_000 },
    )
  })

  it.each([7, '\udc00'])('refuses %j', (part) => {
    expect(() => encodePart(part as string)).toThrow(TypeError)
  })
})
