import type { Cache, StandardSchema } from '@corral/core'
import { describe, expectTypeOf, it } from 'vitest'
import {
  type BulkValues,
  type CacheClient,
  type ConcurrencyLease,
  type ConcurrencyLimiter,
  createCacheClient,
  type RateLimiter,
} from './index.ts'

const client: CacheClient = createCacheClient({ cache: {} as Cache })
declare const schema: StandardSchema<{ n: number }>

describe('the client', () => {
  it('gives what JSON gives back', () => {
    expectTypeOf(client.memoize('k', () => ({ at: new Date() }))).resolves.toEqualTypeOf<{
      at: string
    }>()
    const memo = client.memoize(async (id: number, name?: string) => ({ id, name }))
    expectTypeOf(memo).parameters.toEqualTypeOf<[id: number, name?: string | undefined]>()
    expectTypeOf(memo(1)).resolves.toHaveProperty('id').toEqualTypeOf<number>()
    expectTypeOf(memo.invalidate).parameters.toEqualTypeOf<
      [id: number, name?: string | undefined]
    >()
    // @ts-expect-error a number is wanted
    void memo('1')
  })

  it('gives what a schema makes of it', () => {
    expectTypeOf(
      client.memoize('k', () => ({ n: '5' }), { schema, fallback: null }),
    ).resolves.toEqualTypeOf<{ n: number } | null>()
    const memo = client.memoize(async (id: number) => ({ n: String(id) }), {
      name: 'n',
      schema,
      userOf: (id) => id,
    })
    expectTypeOf(memo).parameters.toEqualTypeOf<[id: number]>()
    expectTypeOf(memo(1)).resolves.toEqualTypeOf<{ n: number }>()
    expectTypeOf(memo.fresh(1)).resolves.toEqualTypeOf<{ n: number }>()
  })

  it('takes functions with a default for a parameter, with options and without', () => {
    const list = client.memoize(async (id: string, page = 1) => ({ id, page }), { name: 'list' })
    expectTypeOf(list('7')).resolves.toEqualTypeOf<{ id: string; page: number }>()
    const plain = client.memoize(async (page = 1) => page)
    expectTypeOf(plain()).resolves.toEqualTypeOf<number>()
  })

  it('knows the arguments by which a result is a user’s', () => {
    const byPage = async (page: number, user: { id: string }) => page + user.id.length
    const memo = client.memoize(byPage, { userOf: (page, user) => `${page.toFixed()} ${user.id}` })
    expectTypeOf(memo).parameters.toEqualTypeOf<Parameters<typeof byPage>>()
    // @ts-expect-error a user is a string or a number
    void client.memoize(byPage, { userOf: () => true })
  })

  it('reads many as an array that also names what failed', () => {
    expectTypeOf(client.bulkGet<number>(['k'])).resolves.toEqualTypeOf<BulkValues<number>>()
    expectTypeOf<BulkValues<number>[number]>().toEqualTypeOf<number | undefined>()
    expectTypeOf<BulkValues<number>['failed']>().toEqualTypeOf<readonly string[]>()
  })

  it('has a lease where a place was given, and none elsewhere', async () => {
    const limiter = client.rateLimiter({ algorithm: 'concurrency', limit: 1 })
    const result = await limiter.acquire('7')
    if (result.allowed) expectTypeOf(result.lease).toEqualTypeOf<ConcurrencyLease>()
    else expectTypeOf(result.lease).toEqualTypeOf<undefined>()
  })

  it('tells limiters apart by their algorithm', () => {
    expectTypeOf(
      client.rateLimiter({ algorithm: 'gcra', limit: 1, window: '1s' }),
    ).toEqualTypeOf<RateLimiter>()
    expectTypeOf(
      client.rateLimiter({ algorithm: 'concurrency', limit: 1 }),
    ).toEqualTypeOf<ConcurrencyLimiter>()
    // @ts-expect-error a window is wanted
    client.rateLimiter({ algorithm: 'gcra', limit: 1 })
  })

  it('gives flags of the type of the default', () => {
    expectTypeOf(client.getFeatureFlag('x')).resolves.toEqualTypeOf<boolean>()
    expectTypeOf(client.getFeatureFlag('x', false)).resolves.toEqualTypeOf<boolean>()
    expectTypeOf(client.getFeatureFlag('x', 'blue')).resolves.toEqualTypeOf<string>()
    expectTypeOf(client.flags.value('x', { a: 1 })).toEqualTypeOf<{ a: number }>()
  })
})
