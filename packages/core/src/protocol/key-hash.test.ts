import { createKeyspace } from '@corral/connection'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keyHash, keyHashBehind, keyHashIn } from './key-hash.ts'

describe('keyHash', () => {
  test('is part of the wire format', () => {
    expect(keyHash('shop:v1::user:1')).toMatchInlineSnapshot(`8871484403305098`)
    expect(keyHash('')).toMatchInlineSnapshot(`3338908027751811`)
    expect(keyHash('ключ')).toMatchInlineSnapshot(`1715554846423774`)
  })

  test('is the same from behind a prefix', () => {
    for (const [prefix, rest] of [
      ['shop:v1::', 'user:1'],
      ['', 'ключ'],
      ['ключ::', ''],
    ] as const) {
      expect(keyHashBehind(prefix)(rest)).toBe(keyHash(prefix + rest))
    }
  })

  test('tells half a million neighbouring keys apart', () => {
    const seen = new Set<number>()
    for (let i = 0; i < 500_000; i++) seen.add(keyHash(`shop:v1::user:${i}`))
    expect(seen.size).toBe(500_000)
  })

  describe('for a keyspace', () => {
    const keys = fc.oneof(
      fc.string({
        unit: fc.constantFrom('a', '%', '2', '0', ' ', '{', 'ü', '😀', '#'),
        maxLength: 90,
      }),
      fc.string({ unit: 'grapheme' }),
    )

    test.each(['encode', 'replace', (key: string) => key.toLowerCase()] as const)(
      'is that of the Redis key or of none: sanitize %s',
      (sanitize) => {
        const keyspace = createKeyspace({ namespace: 'a:b', sanitize, maxKeyLength: 70 })
        const hashIn = keyHashIn(keyspace)
        fc.assert(
          fc.property(keys, (key) => {
            const redisKey = keyspace.key(key)
            const hash = hashIn(key, redisKey)
            if (hash === keyHash(redisKey)) return
            expect(hash).toBe(keyHash(keyspace.prefix + key))
            expect(keyspace.decode(keyspace.prefix + key) ?? key).toBe(key)
          }),
          { numRuns: 2_000 },
        )
      },
    )

    test('is not that of the key which encoding makes look like this one', () => {
      const keyspace = createKeyspace({ namespace: 'a' })
      const [asked, other] = ['x%20y', 'x y']
      expect(keyspace.key(other)).toBe(keyspace.prefix + asked)
      expect(keyHashIn(keyspace)(asked, keyspace.key(asked))).not.toBe(keyHash(keyspace.key(other)))
    })
  })
})
