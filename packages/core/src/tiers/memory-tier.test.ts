import { fakeClock } from '@corral/testing'
import { expect, it } from 'vitest'
import { createMemoryTier } from './memory-tier.ts'

it('drops what was used longest ago when it is full', async () => {
  const tier = createMemoryTier(fakeClock(), 3)
  for (const key of ['a', 'b', 'c']) await tier.set(key, ',"value":1}', 1_000)
  await tier.get('a')
  await tier.set('d', ',"value":1}', 1_000)
  expect((await tier.getMany(['a', 'b', 'c', 'd'])).map((text) => text !== null)).toEqual([
    true,
    false,
    true,
    true,
  ])
  await tier.set('a', ',"value":2}', 1_000)
  expect((await tier.usage()).keys).toBe(3)
})
