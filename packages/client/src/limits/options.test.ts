import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ConcurrencyOptions,
  type RateLimiterOptions,
  resolveConcurrencyOptions,
  resolveRateOptions,
} from './options.ts'
import { resolveRule } from './rate-rule.ts'

const rule = { algorithm: 'gcra', limit: 10, window: '1s' } as const

describe('options of a rate limiter', () => {
  it.each<[unknown, RegExp]>([
    [undefined, /^rateLimiter options: /],
    [{ ...rule, algorithm: 'leaky' }, /^algorithm: must be one of .* received "leaky"/],
    [{ ...rule, limit: 0 }, /^limit: must be a whole number from 1/],
    [{ ...rule, limit: 1.5 }, /^limit: /],
    [{ ...rule, limit: '10' }, /^limit: /],
    [{ ...rule, algorithm: 'sliding-log', limit: 10_001 }, /^limit: .* 10000/],
    [{ ...rule, window: 0 }, /^window: must lie from '1ms'/],
    [{ ...rule, window: '60' }, /^window: .*needs a unit/],
    [{ ...rule, window: '400 days' }, /^window: /],
    [{ ...rule, algorithm: 'fixed-window', burst: 5 }, /^burst: belongs to/],
    [{ ...rule, aligned: true }, /^aligned: belongs to/],
    [{ ...rule, burst: 1_000_000_000, limit: 1, window: '366 days' }, /^burst: too large/],
    [
      { ...rule, algorithm: 'sliding-window', limit: 1_000_000, window: '1d' },
      /^limit: too large for this window/,
    ],
    [{ ...rule, onUnavailable: 'panic' }, /^onUnavailable: /],
    [{ ...rule, localShare: 0 }, /^localShare: /],
    [{ ...rule, deadline: 500 }, /^deadline: .*did you mean '500ms'/],
    [{ ...rule, name: 'a b' }, /^name: /],
    [{ ...rule, countRejected: 1 }, /^countRejected: /],
    [{ ...rule, lease: '1s' }, /^lease: is no option here/],
    [{ limits: [] }, /^limits: must hold 1 to 8/],
    [{ limits: [rule, { ...rule, limit: -1 }] }, /^limits\[1\]\.limit: /],
    [{ limits: rule }, /^limits: must be an array/],
    [{ limits: [{ ...rule, name: 'x' }] }, /^name: is no option here/],
  ])('%o are refused', (options, message) => {
    expect(() => resolveRateOptions(options as RateLimiterOptions)).toThrow(message)
  })

  it('of a concurrency limiter too', () => {
    const wrong = { algorithm: 'concurrency', limit: 1, window: '1s' }
    expect(() => resolveConcurrencyOptions(wrong as ConcurrencyOptions)).toThrow(/^window: /)
    expect(() => resolveConcurrencyOptions({ ...wrong, limit: 0 } as never)).toThrow(/^window: /)
    expect(resolveConcurrencyOptions({ algorithm: 'concurrency', limit: 2 })).toMatchObject({
      leaseMs: 30_000,
      name: 'concurrency-2',
    })
  })

  it('are completed', () => {
    expect(resolveRateOptions(rule)).toMatchObject({
      name: 'gcra-10-1000',
      onUnavailable: 'local',
      localShare: 1,
      countRejected: false,
      blockLocally: true,
    })
    expect(resolveRateOptions({ limits: [rule, { ...rule, limit: 5 }] }).name).toBe(
      'gcra-10-1000+gcra-5-1000',
    )
  })
})

describe('the numbers of a bucket', () => {
  it('stay exact, and never drain faster than asked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000_000 }),
        fc.integer({ min: 1, max: 366 * 86_400_000 }),
        (limit, windowMs) => {
          let resolved
          try {
            resolved = resolveRule({ algorithm: 'gcra', limit, window: windowMs / 1000 }, '')
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError)
            return
          }
          const { a, b, c } = resolved
          expect([a, b, c].every(Number.isSafeInteger)).toBe(true)
          expect(2 * a * b).toBeLessThanOrEqual(2 ** 53)
          const asked = Math.round(windowMs * 1_000) / limit
          expect(b / c).toBeGreaterThanOrEqual(asked * (1 - 1e-12))
          expect(b / c - asked).toBeLessThan(1)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
