import { expect, it } from 'vitest'
import { createCache } from '../cache.ts'
import type { CacheOptions } from '../options.ts'

/** Runs a check on a cache of its own. */
async function withCache(
  options: Partial<CacheOptions>,
  check: (cache: ReturnType<typeof createCache>) => Promise<void>,
): Promise<void> {
  await using cache = createCache({ namespace: 'n', ...options })
  await check(cache)
}

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

it.each([
  [{ softTimeout: '1s' }, /^softTimeout: is no option of set \(ttl, .*tags\), received text$/],
  [{ hardTimeout: 1 }, /^hardTimeout: is no option of set .*received 1$/],
  [{ earlyRefresh: 1 }, /^earlyRefresh: is no option of set .*received 1$/],
  [{ lease: { ttl: '5s' } }, /^lease: is no option of set .*received an object$/],
  [{ filter: () => true }, /^filter: is no option of set/],
  [{ fallback: 0 }, /^fallback: is no option of set .*received 0$/],
  [{ schema: {} }, /^schema: is no option of set/],
  [{ forceFresh: true }, /^forceFresh: is no option of set .*received true$/],
  [{ signal: AbortSignal.abort() }, /^signal: is no option of set/],
  [{ toString: 1 }, /^toString: is no option of set/],
])('set and setMany refuse what only a load has a use for: %j', async (options, message) => {
  await withCache({}, async (cache) => {
    const given = options as object
    await expect(cache.set('k', 1, given)).rejects.toThrow(TypeError)
    await expect(cache.set('k', 1, given)).rejects.toThrow(message)
    await expect(cache.setMany([{ key: 'k', value: 1 }], given)).rejects.toThrow(message)
    const some = [
      { key: 'k', value: 1 },
      { key: 'l', value: 2, ...given },
    ]
    await expect(cache.setMany(some)).rejects.toThrow(message)
    expect(await cache.getMany(['k', 'l'])).toEqual([undefined, undefined])
  })
})

it.each([
  ['clear', [{ dep: true }], /^dep: is no option of clear \(deep, wait\), received true$/],
  ['clear', ['products'], /^options: must be an object, received "products"$/],
  ['increment', ['k', 1, { tll: 5 }], /^tll: is no option of increment \(ttl\), received 5$/],
  ['decrement', ['k', 1, { tll: 5 }], /^tll: is no option of increment/],
  ['warm', [[], { concurency: 5 }], /^concurency: is no option of warm \(concurrency, /],
] as const)('%s refuses what it does not know: %j', async (name, args, message) => {
  await withCache({}, async (cache) => {
    await cache.set('kept', 1)
    const call = cache[name] as (...given: readonly unknown[]) => Promise<unknown>
    await expect(call(...args)).rejects.toThrow(TypeError)
    await expect(call(...args)).rejects.toThrow(message)
    expect(await cache.get('kept')).toBe(1)
  })
})

it.each(['asHash', 'asList', 'asSet'] as const)(
  '%s refuses what it does not know',
  async (name) => {
    await withCache({}, async (cache) => {
      const options = { tll: 5 } as object
      expect(() => cache[name]('k', options)).toThrow(/^tll: is no option of a structure \(ttl\)/)
    })
  },
)

it('a ttl without end is asked for by name', async () => {
  await withCache({}, async (cache) => {
    const message = "ttl: must be finite ('forever' keeps an entry without end), received Infinity"
    await expect(cache.set('k', 1, Infinity)).rejects.toThrow(message)
    await expect(cache.set('k', 1, Infinity)).rejects.toThrow(RangeError)
  })
})

it('set needs no fallback where loads have one', async () => {
  await withCache({ lease: { onTimeout: 'fallback' } }, async (cache) => {
    expect(await cache.set('k', 1, { ttl: '1m' })).toBe(true)
    await expect(cache.getOrSet('k', () => 2, { ttl: '1m' })).rejects.toThrow(/^fallback: must be/)
  })
})

it('an array of tags that its owner changes later changes nothing', async () => {
  const ofCache = ['cache']
  await withCache({ tags: ofCache }, async (cache) => {
    const ofCall = ['call']
    const loading = cache.loading({ prefix: 'l', load: () => 1, tags: ofCall })
    ofCache[0] = 'other'
    ofCall[0] = 'other'
    await cache.set('k', 1)
    await loading.get('1')
    await loading.set('2', 2)
    expect(await cache.invalidateTags(['other'])).toBe(true)
    expect(await cache.getMany(['k', 'l:1', 'l:2'])).toEqual([1, 1, 2])
    expect(await cache.invalidateTags(['cache', 'call'])).toBe(true)
    expect(await cache.getMany(['k', 'l:1', 'l:2'])).toEqual([undefined, undefined, undefined])
  })
})

it('nor does one of a call, or of a loader, that is changed while it loads', async () => {
  await withCache({}, async (cache) => {
    const tags = ['call']
    const own = ['own']
    const change = (): number => ((tags[0] = 'other'), (own[0] = 'other'), 1)
    await cache.getOrSet('k', change, { tags })
    own[0] = 'own'
    await cache.getOrSet('l', ({ setTags }) => (setTags(own), change()))
    await cache.invalidateTags(['other'])
    expect(await cache.getMany(['k', 'l'])).toEqual([1, 1])
    await cache.invalidateTags(['call', 'own'])
    expect(await cache.getMany(['k', 'l'])).toEqual([undefined, undefined])
  })
})

it('an entry may have 1,000 tags, and not one more', async () => {
  const tags = Array.from({ length: 1_001 }, (_, n) => `t${n}`)
  const message = 'tags: an entry may have at most 1000 of them, received 1001'
  await withCache({}, async (cache) => {
    await expect(cache.set('k', 1, { tags })).rejects.toThrow(new RangeError(message))
    await expect(cache.getOrSet('k', () => 1, { tags })).rejects.toThrow(message)
    await expect(cache.getOrSet('k', ({ setTags }) => setTags(tags))).rejects.toThrow(message)
    expect(() => cache.child('c', { tags })).toThrow(message)
    expect(() => cache.loading({ prefix: 'p', load: () => 1, tags })).toThrow(message)
    expect(await cache.set('k', 1, { tags: tags.slice(1) })).toBe(true)
    expect(await cache.get('k')).toBe(1)
    // As many as anybody likes may be invalidated at once.
    expect(await cache.invalidateTags(tags)).toBe(true)
    expect(await cache.get('k')).toBeUndefined()
  })
})
