import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPrefixSet } from './prefix-set.ts'

describe('createPrefixSet', () => {
  it('finds the prefix of any key as a plain search does', () => {
    const unit = fc.constantFrom('a', 'b', ':', 'é', '\u{1F600}', '\uFFFF')
    const text = fc.string({ unit, maxLength: 5 })
    fc.assert(
      fc.property(fc.array(text, { maxLength: 12 }), fc.array(text), (prefixes, keys) => {
        const set = createPrefixSet<string>()
        const kept: string[] = []
        for (const prefix of prefixes) {
          const overlaps = kept.some((one) => one.startsWith(prefix) || prefix.startsWith(one))
          if (prefix === '' || overlaps) {
            expect(() => set.add(prefix, prefix)).toThrow(TypeError)
          } else {
            set.add(prefix, prefix)
            kept.push(prefix)
          }
        }
        for (const key of [...keys, ...kept, ...kept.map((prefix) => `${prefix}x`)]) {
          expect(set.of(key)).toBe(kept.find((prefix) => key.startsWith(prefix)))
        }
        const [first] = kept
        if (first === undefined) return
        set.delete(first)
        expect(set.of(first)).toBeUndefined()
        expect(set.size).toBe(kept.length - 1)
      }),
    )
  })
})
