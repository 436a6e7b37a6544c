import { describe, expectTypeOf, it } from 'vitest'
import { createCache } from './cache.ts'
import type { Jsonify } from './jsonify.ts'

interface User {
  readonly id: number
  name: string
  nick?: string
  roles: ('admin' | 'user')[]
}

class Money {
  readonly cents: number = 1
  plus(): Money {
    return this
  }
}

describe('Jsonify', () => {
  it('leaves what JSON keeps as it is', () => {
    expectTypeOf<Jsonify<User>>().toEqualTypeOf<User>()
    expectTypeOf<Jsonify<'a' | 1 | null | undefined>>().toEqualTypeOf<'a' | 1 | null | undefined>()
    expectTypeOf<Jsonify<[string, number?]>>().toExtend<[string, (number | null)?]>()
    expectTypeOf<Jsonify<Buffer>>().toEqualTypeOf<Buffer>()
    expectTypeOf<Jsonify<unknown>>().toBeUnknown()
  })

  it('tells what JSON changes', () => {
    expectTypeOf<Jsonify<Date>>().toEqualTypeOf<string>()
    expectTypeOf<Jsonify<{ at: Date | null; list: (Date | undefined)[] }>>().toEqualTypeOf<{
      at: string | null
      list: (string | null)[]
    }>()
    expectTypeOf<Jsonify<Money>>().toEqualTypeOf<{ readonly cents: number }>()
    expectTypeOf<Jsonify<Map<string, number>>>().toEqualTypeOf<Record<string, never>>()
    expectTypeOf<Jsonify<bigint>>().toBeNever()
  })
})

describe('Cache', () => {
  const cache = createCache({ namespace: 'n' })

  it('gives what the caller says, or undefined', () => {
    expectTypeOf(cache.get<User>('a')).resolves.toEqualTypeOf<User | undefined>()
    expectTypeOf(cache.get('a')).resolves.toBeUnknown()
    expectTypeOf(cache.getMany<User>(['a'])).resolves.toEqualTypeOf<(User | undefined)[]>()
  })

  it('gives the loaded value as it comes back from JSON', () => {
    expectTypeOf(
      cache.getOrSet('a', async (): Promise<User> => ({ id: 1, name: '', roles: [] })),
    ).resolves.toEqualTypeOf<User>()
    expectTypeOf(cache.getOrSet('a', () => ({ at: new Date() }), '5m')).resolves.toEqualTypeOf<{
      at: string
    }>()
    expectTypeOf(cache.getOrSet('a', (): User | undefined => undefined)).resolves.toEqualTypeOf<
      User | undefined
    >()
  })

  it('takes no wrong time to live', () => {
    // @ts-expect-error -- no duration
    void cache.set('a', 1, 'soon-ish')
    // @ts-expect-error -- no option of set
    void cache.set('a', 1, { tll: '5m' })
    expectTypeOf(cache.set('a', 1, 'forever')).resolves.toEqualTypeOf<boolean>()
  })
})
