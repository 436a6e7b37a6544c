import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createCache, type Cache } from '../cache.ts'
import { msgpack } from '../serializers/msgpack.ts'
import { findLoss } from './lossy-values.ts'

let cache: Cache
const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)

class User {
  readonly name = 'Ada'
}

beforeEach(() => {
  warned.mockClear()
  cache = createCache({ namespace: 'shop:v1' })
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await cache.close()
})

it.each([
  ['a Date', { at: [new Date(0)] }, 'at[0] is a Date and becomes a string'],
  ['a Map', { roles: new Map([['a', 1]]) }, 'roles is a Map and becomes a plain object'],
  ['a Set', new Set([1]), 'it is a Set and becomes a plain object'],
  ['an instance', { user: new User() }, 'user is a User and becomes a plain object'],
  ['not a number', { share: Number.NaN }, 'share is NaN and becomes null'],
  ['infinity', { most: Infinity }, 'most is Infinity and becomes null'],
  ['a hole', { list: [1, undefined] }, 'list[1] is undefined and becomes null'],
  ['a function', { call: () => 1 }, 'call is a function and becomes undefined'],
])('%s that JSON changes is told, once', async (_what, value, loss) => {
  await cache.getOrSet('k', () => value as unknown)
  expect(warned).toHaveBeenCalledTimes(1)
  const [message, options] = warned.mock.calls[0] as unknown as [string, { code: string }]
  expect(message).toContain('"k" in shop:v1')
  expect(message).toContain(loss)
  expect(options.code).toBe('CORRAL_LOSSY_VALUE')
  await cache.getOrSet('l', () => value as unknown)
  expect(warned).toHaveBeenCalledTimes(1)
})

it('what comes back as it was is not told', async () => {
  const plain = {
    text: ':colon',
    none: null,
    absent: undefined,
    zero: -0,
    bytes: Buffer.from('a'),
    list: [1, [true, { a: 'b' }]],
    bare: Object.assign(Object.create(null) as object, { a: 1 }),
  }
  await cache.getOrSet('k', () => plain as unknown)
  const packed = createCache({ namespace: 'p', serializer: msgpack() })
  const rich = { at: new Date(0), map: new Map([[1, new Set(['a'])]]), big: 5n }
  await packed.getOrSet('k', () => rich as unknown)
  await packed.close()
  expect(warned).not.toHaveBeenCalled()
})

it('nothing is looked at in production', async () => {
  vi.stubEnv('NODE_ENV', 'production')
  const quiet = createCache({ namespace: 'n' })
  await quiet.getOrSet('k', () => new Date(0))
  await quiet.close()
  expect(warned).not.toHaveBeenCalled()
})

it('a getter that throws, a cycle and a huge value end the look, not the load', async () => {
  let reads = 0
  const value = {
    get once() {
      if (reads++ > 0) throw new Error('no more')
      return 1
    },
  }
  expect(await cache.getOrSet('k', () => value as unknown)).toEqual({ once: 1 })
  expect(warned).not.toHaveBeenCalled()
  const ring: Record<string, unknown> = {}
  ring['self'] = ring
  expect(findLoss(ring, { self: ring })).toBeUndefined()
  const long = Array.from({ length: 1e6 }, (_, i) => ({ i }))
  expect(findLoss(long, JSON.parse(JSON.stringify(long)))).toBeUndefined()
})
