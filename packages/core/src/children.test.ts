import { expect, it } from 'vitest'
import { createCache } from './cache.ts'
import { seamOf } from './seam.ts'

it('a child that was closed is forgotten, one that is open is not', async () => {
  await using cache = createCache({ namespace: 'n' })
  const below = (): string[] => [...seamOf(cache).below()].map(({ namespace }) => namespace)
  const kept = cache.child('kept')
  kept.child('grandchild')
  for (let request = 0; request < 10_000; request++) await cache.child(`r${request}`).close()
  expect(below()).toEqual(['n:kept', 'n:kept:grandchild'])
  await kept.close()
  expect(below()).toEqual([])
})
