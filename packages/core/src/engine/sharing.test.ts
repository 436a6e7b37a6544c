import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestCache, type TestCache } from '../adapters/testing/index.ts'
import { createCache } from '../cache.ts'

let test: TestCache

beforeEach(() => {
  test = createTestCache()
})

afterEach(async () => {
  await test.cache.close()
})

describe('callers who share one load', () => {
  it('have each their own fallback', async () => {
    const { cache } = test
    const load = (): Promise<string> => Promise.reject(new Error('no such user'))
    const guest = cache.getOrSet('k', load, { fallback: 'guest' })
    const strict = cache.getOrSet('k', load)
    const other = cache.getOrSet('k', load, { fallback: 'other' })
    await expect(strict).rejects.toThrow('no such user')
    expect([await guest, await other]).toEqual(['guest', 'other'])
  })

  it('do not share one that was not checked by their schema', async () => {
    const cache = createCache({ namespace: 'n' })
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) =>
          typeof value === 'number' ? { value } : { issues: [{ message: 'no number' }] },
      },
    } as const
    const wrong = cache.getOrSet('k', async () => 'text')
    const checked = cache.getOrSet('k', async () => 'text', { schema })
    expect(await wrong).toBe('text')
    await expect(checked).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
    await cache.close()
  })
})

it('a loader that is none is told by name, whatever is cached', async () => {
  const { cache } = test
  await cache.set('k', 1)
  await expect(cache.getOrSet('k', 'value' as never)).rejects.toThrow(
    /^load: must be a function, received/,
  )
})
