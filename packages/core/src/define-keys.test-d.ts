import { describe, expectTypeOf, it } from 'vitest'
import { defineKeys } from './define-keys.ts'

describe('defineKeys', () => {
  it('takes as many parts as the template has placeholders', () => {
    const keys = defineKeys({ typing: 'typing:{conversation}:{user}', all: 'all' })
    expectTypeOf(keys.typing).toBeCallableWith('c', 1)
    expectTypeOf(keys.all).toBeCallableWith()
    // @ts-expect-error -- one part is missing
    void (() => keys.typing('c'))
    // @ts-expect-error -- an object is no part
    void (() => keys.typing('c', {}))
    // @ts-expect-error -- there is no such key
    void (() => keys.other())
  })

  it('names what it parses', () => {
    const keys = defineKeys({ typing: 'typing:{conversation}:{user}' })
    expectTypeOf(keys.typing.parse('typing:a:b')).toEqualTypeOf<
      { readonly conversation: string; readonly user: string } | undefined
    >()
  })
})
