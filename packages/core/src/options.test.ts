import { describe, expect, it } from 'vitest'
import { resolveCacheOptions, resolveChildOptions } from './options.ts'

describe('resolveCacheOptions', () => {
  it('fills in the defaults', () => {
    expect(resolveCacheOptions({ namespace: 'n' })).toMatchObject({
      policy: { ttlMs: 3_600_000, swrMs: 0, leaseMs: 5_000, onTimeout: 'load' },
      degrade: true,
      connection: undefined,
      maxLoads: 64,
      outage: { ttlMs: 1_000, maxEntries: 1_000 },
      keyspace: { prefix: 'n::', sanitize: 'encode', maxKeyLength: 250 },
    })
  })

  it.each([
    [undefined, 'options: must be an object, received undefined'],
    [{}, 'namespace: must be a string, received undefined'],
    [{ namespace: 'a*' }, /^namespace: must not hold glob characters .* received "a\*"/],
    [
      { namespace: 'n', onError: 'ignore' },
      `onError: must be 'degrade' or 'throw', received "ignore"`,
    ],
    [{ namespace: 'n', ttl: '5' }, /^ttl: .*needs a unit/],
    [{ namespace: 'n', sanitize: 1 }, /^sanitize: .*received 1/],
    [{ namespace: 'n', prefix: 'x' }, /^prefix: is no option of createCache .*received text$/],
    [{ namespace: 'n', url: 'redis://:secret@host' }, /^url: is no option of [^:]*received text$/],
    [{ namespace: 'n', near: [] }, 'near: must be an object, received an array'],
    [{ namespace: 'n', lease: [] }, 'lease: must be an object, received an array'],
    [{ namespace: 'n', outageBuffer: [] }, 'outageBuffer: must be an object, received an array'],
    [{ namespace: 'n', clock: 5 }, /^clock: must be a Clock .* received 5/],
    [{ namespace: 'n', serializer: 'msgpack' }, /^serializer: must be .* received "msgpack"/],
    [{ namespace: 'n', compression: 'gzip' }, 'compression: must be an object, received "gzip"'],
    [
      { namespace: 'n', compression: { level: 1 } },
      /^compression.level: is no option.*received 1$/,
    ],
    [{ namespace: 'n', near: true }, 'near: must be an object, received true'],
  ])('refuses %j', (options, message) => {
    expect(() => resolveCacheOptions(options as never)).toThrow(TypeError)
    expect(() => resolveCacheOptions(options as never)).toThrow(message)
  })

  it.each([
    [{ maxLoads: null }, /^maxLoads: .*received null/],
    [{ near: { ttl: 0 } }, /^near.ttl: must be more than 0/],
    [{ outageBuffer: { ttl: '2m' } }, /^outageBuffer.ttl: must be at most 60 s, received "2m"/],
    [{ clockSkew: '2m' }, /^clockSkew: must be at most 60 s, received "2m"/],
    [{ softTimeout: '2 days' }, /^softTimeout: must be at most 1 day, received "2 days"/],
    [{ hardTimeout: '30 days' }, /^hardTimeout: must be at most 1 day, received "30 days"/],
    [{ staleIfError: 1e300 }, /^staleIfError: must be at most 100 years/],
    [{ staleWhileRevalidate: '200y' }, /^staleWhileRevalidate: must be at most 100 years/],
  ])('refuses what is out of range: %j', (options, message) => {
    expect(() => resolveCacheOptions({ namespace: 'n', ...options } as never)).toThrow(RangeError)
    expect(() => resolveCacheOptions({ namespace: 'n', ...options } as never)).toThrow(message)
  })
})

describe('resolveChildOptions', () => {
  const parent = resolveCacheOptions({ namespace: 'n', near: { maxEntries: 7 } })

  it.each([
    [{}, 7],
    [{ near: { maxEntries: 8 } }, 8],
    [{ near: false }, undefined],
  ] as const)('has the near cache of its parent, its own, or none: %j', (options, most) => {
    expect(resolveChildOptions(parent, 'c', options).near?.maxEntries).toBe(most)
  })
})
