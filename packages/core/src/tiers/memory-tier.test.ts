import { fakeClock } from '@corral/testing'
import { expect, it } from 'vitest'
import { encodeEntry } from '../protocol/wire-entry.ts'
import { createMemoryTier } from './memory-tier.ts'

it('counts as far as numbers are exact, and leaves a counter there as it is', async () => {
  const tier = createMemoryTier(fakeClock())
  const most = Number.MAX_SAFE_INTEGER
  const add = (key: string, by: number): Promise<unknown> =>
    tier.increment(key, { by, ttlMs: 1_000, renew: 'create', stamp: 0, skewUs: 0 })
  expect(await add('n', most)).toEqual({ status: 'done', value: most })
  await expect(add('n', 1)).rejects.toMatchObject({ code: 'REDIS_REPLY' })
  expect(await tier.get('n')).toBe(String(most))
  expect(await add('n', -1)).toEqual({ status: 'done', value: most - 1 })
  await tier.set('m', encodeEntry({ redisKey: 'm', value: 1e300 }) as string, 1_000)
  await expect(add('m', 1)).rejects.toThrow('2^53 (OVERFLOW)')
  await tier.set('m', encodeEntry({ redisKey: 'm', value: 1.5 }) as string, 1_000)
  await expect(add('m', 1)).rejects.toMatchObject({ code: 'WRONG_TYPE' })
})

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
