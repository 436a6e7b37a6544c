import { describe, expect, it } from 'vitest'
import { resolveCacheOptions } from './options.ts'

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
    [{ namespace: 'n', prefix: 'x' }, /^prefix: is no option of createCache/],
  ])('refuses %j', (options, message) => {
    expect(() => resolveCacheOptions(options as never)).toThrow(TypeError)
    expect(() => resolveCacheOptions(options as never)).toThrow(message)
  })
})
