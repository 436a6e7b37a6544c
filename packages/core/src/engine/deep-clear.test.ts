import { afterEach, beforeEach, expect, it, vi } from 'vitest'
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

it('a deep clear ends what the children had under way', async () => {
  const { cache } = test
  const child = cache.child('a').child('b')
  const old = held()
  const first = child.getOrSet('k', old.load)
  await vi.waitFor(() => expect(child.counts().loads).toBe(1))
  await cache.clear({ deep: true })
  const second = child.getOrSet('k', () => 'new')
  old.bring('old')
  expect(await first).toBe('old')
  expect(await second).toBe('new')
  expect(await child.get('k')).toBe('new')
})
