import { expect, it } from 'vitest'
import { createCache } from '../cache.ts'

it.each([
  ['getMany', 'keys: must be an array, received "ab"'],
  ['deleteMany', 'keys: must be an array, received "ab"'],
  ['getOrSetMany', 'keys: must be an array, received "ab"'],
  ['setMany', 'entries: must be an array, received "ab"'],
] as const)('%s tells by name that it wants an array', async (name, message) => {
  const cache = createCache({ namespace: 'n' })
  const call = cache[name] as (given: unknown, load: unknown) => Promise<unknown>
  await expect(call('ab', name === 'getOrSetMany' ? () => [] : undefined)).rejects.toThrow(message)
  await cache.close()
})
