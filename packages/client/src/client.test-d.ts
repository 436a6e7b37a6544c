import type { Cache } from '@corral/core'
import { describe, expectTypeOf, it } from 'vitest'
import {
  type CacheClient,
  type ConcurrencyLimiter,
  createCacheClient,
  type RateLimiter,
} from './index.ts'

const client: CacheClient = createCacheClient({ cache: {} as Cache })

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
