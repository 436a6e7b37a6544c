import { describe, expectTypeOf, it } from 'vitest'
import type { Cache } from './cache-interface.ts'
import type { StandardSchema } from './schema/standard-schema.ts'

declare const cache: Cache
/** As `z.object({ n: z.coerce.number() })`. */
declare const schema: StandardSchema<{ n: number; at: Date }>

const load = async () => ({ n: '5', at: new Date() })

describe('getOrSet', () => {
  it('gives what JSON gives back', () => {
    expectTypeOf(cache.getOrSet('k', load)).resolves.toEqualTypeOf<{ n: string; at: string }>()
    expectTypeOf(cache.getOrSet('k', load, { ttl: '5m' })).resolves.toEqualTypeOf<{
      n: string
      at: string
    }>()
  })

  it('gives what the schema makes of it', () => {
    expectTypeOf(
      cache.getOrSet('k', load, {
        schema,
        filter: ({ n }) => {
          expectTypeOf(n).toEqualTypeOf<string>()
          return true
        },
      }),
    ).resolves.toEqualTypeOf<{ n: number; at: Date }>()
    expectTypeOf(cache.getOrSet('k', (): unknown => 1, { schema })).resolves.toEqualTypeOf<{
      n: number
      at: Date
    }>()
  })

  it('gives a fallback as it is, and nothing where nothing was loaded', () => {
    expectTypeOf(cache.getOrSet('k', load, { schema, fallback: null })).resolves.toEqualTypeOf<{
      n: number
      at: Date
    } | null>()
    expectTypeOf(
      cache.getOrSet('k', load, {
        schema,
        fallback: (error) => {
          expectTypeOf(error).toBeUnknown()
          return 'none' as const
        },
      }),
    ).resolves.toEqualTypeOf<{ n: number; at: Date } | 'none'>()
    expectTypeOf(
      cache.getOrSet('k', async () => (Math.random() > 0 ? load() : undefined), { schema }),
    ).resolves.toEqualTypeOf<{ n: number; at: Date } | undefined>()
  })

  it('has a loader and a fallback of one type without a schema', () => {
    expectTypeOf(cache.getOrSet('k', () => 5, { fallback: 1 })).resolves.toBeNumber()
    // @ts-expect-error -- the loader brings no number
    void cache.getOrSet('k', load, { fallback: 1 })
    // @ts-expect-error -- this is no schema
    void cache.getOrSet('k', load, { schema: {} })
  })
})

describe('getOrSetMany', () => {
  it('gives what the schema makes of each', () => {
    expectTypeOf(cache.getOrSetMany(['k'], async () => [await load()])).resolves.toEqualTypeOf<
      ({ n: string; at: string } | undefined)[]
    >()
    expectTypeOf(
      cache.getOrSetMany(['k'], async () => [await load()], { schema, fallback: () => null }),
    ).resolves.toEqualTypeOf<({ n: number; at: Date } | null | undefined)[]>()
  })
})

describe('loading', () => {
  it('gives what the schema makes of it, and takes what the loader brings', () => {
    const plain = cache.loading({ prefix: 'p', load })
    expectTypeOf(plain.get('1')).resolves.toEqualTypeOf<{ n: string; at: string } | undefined>()
    const checked = cache.loading({ prefix: 'p', load, schema })
    expectTypeOf(checked.get('1')).resolves.toEqualTypeOf<{ n: number; at: Date } | undefined>()
    expectTypeOf(checked.set).parameter(1).toEqualTypeOf<{ n: string; at: Date }>()
    const orNull = cache.loading({ prefix: 'p', load, schema, defaultValue: null })
    expectTypeOf(orNull.get('1')).resolves.toEqualTypeOf<
      { n: number; at: Date } | null | undefined
    >()
  })
})
