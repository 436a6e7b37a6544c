import { systemClock } from '@corral/connection'
import { expect, it, vi } from 'vitest'
import { assembleCache } from '../assemble.ts'
import { resolveCacheOptions } from '../options.ts'
import { createLocalStamps } from '../stamps/local-stamp-book.ts'
import { createMemoryTier } from '../tiers/memory-tier.ts'

it('who asks after a set is done does not share a load that overtook it on its way', async () => {
  const tier = createMemoryTier(systemClock)
  let letGo!: () => void
  const gate = new Promise<void>((resolve) => (letGo = resolve))
  const cache = assembleCache(resolveCacheOptions({ namespace: 'n' }), {
    tier: {
      ...tier,
      setMany: async (writes) => {
        await gate
        return tier.setMany(writes)
      },
    },
    stamps: createLocalStamps(),
  })
  // As of many entries, of which the last wait until the first are sent.
  const writing = cache.setMany([{ key: 'k', value: 'new' }])
  let bring!: (value: string) => void
  const old = new Promise<string>((resolve) => (bring = resolve))
  const overtaking = cache.getOrSet('k', () => old)
  await vi.waitFor(() => expect(cache.counts().loads).toBe(1))
  letGo()
  expect(await writing).toEqual([true])
  const after = cache.getOrSet('k', () => 'not asked for')
  bring('old')
  expect(await overtaking).toBe('old')
  expect(await after).toBe('new')
  expect(await cache.get('k')).toBe('new')
  await cache.close()
})
