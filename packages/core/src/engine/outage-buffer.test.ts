import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createTestCache, type TestCache } from '../adapters/testing/index.ts'

let test: TestCache

beforeEach(() => {
  test = createTestCache()
})

afterEach(async () => {
  await test.cache.close()
})

/** A loader that brings what it is told to, when it is told to. */
function held(): { load: () => Promise<unknown>; bring: (value: unknown) => void } {
  let bring!: (value: unknown) => void
  const value = new Promise<unknown>((resolve) => (bring = resolve))
  return { load: () => value, bring }
}

describe('a load that an invalidation overtook while Redis is away', () => {
  it.each([
    ['a tag', () => test.cache.invalidateTags(['t'])],
    ['clear', () => test.cache.clear()],
    ['a pattern', () => test.cache.deletePattern('k*')],
    ['delete', () => test.cache.delete('k')],
  ])('is not kept for those who come after it: %s', async (_what, invalidate) => {
    const { cache, redis } = test
    redis.down()
    const old = held()
    const first = cache.getOrSet('k', old.load, { tags: ['t'] })
    await vi.waitFor(() => expect(cache.counts().loads).toBe(1))
    await invalidate()
    old.bring('old')
    expect(await first).toBe('old')
    expect(await cache.getOrSet('k', () => 'new', { tags: ['t'] })).toBe('new')
    expect(await cache.getOrSet('k', () => 'newer', { tags: ['t'] })).toBe('new')
  })
})
