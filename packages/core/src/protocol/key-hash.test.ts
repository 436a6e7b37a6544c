import { describe, expect, test } from 'vitest'
import { keyHash, keyHashBehind } from './key-hash.ts'

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
})
