import { fakeClock, memoryAfterGc } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { createLocalLimiter } from './local-limiter.ts'
import { type RateRule, resolveRule } from './rate-rule.ts'

/** How many of the calls pass that come at each of `seconds` seconds, `perSecond` a second. */
async function admitted(
  rule: RateRule,
  share: number,
  seconds: number,
  perSecond: number,
): Promise<number> {
  const clock = fakeClock()
  const limiter = createLocalLimiter([resolveRule(rule, '')], share, clock)
  let passed = 0
  for (let second = 0; second < seconds; second++) {
    for (let call = 0; call < perSecond; call++) {
      if (limiter.consume('u', 1, true).allowed) passed++
    }
    await clock.advance(1_000)
  }
  return passed
}

describe('a limiter of this process alone', () => {
  it.each<[RateRule, number, number]>([
    // A small burst bounds what comes at once, not what comes in a window.
    [{ algorithm: 'gcra', limit: 60, window: '1m', burst: 1 }, 1, 60],
    [{ algorithm: 'token-bucket', limit: 60, window: '1m', burst: 5 }, 1, 60],
    [{ algorithm: 'gcra', limit: 60, window: '1m', burst: 5 }, 0.5, 30],
    [{ algorithm: 'gcra', limit: 60, window: '1m', burst: 1 }, 0.25, 15],
    [{ algorithm: 'gcra', limit: 60, window: '1m' }, 1, 60],
    [{ algorithm: 'sliding-log', limit: 60, window: '1m' }, 0.25, 15],
    [{ algorithm: 'fixed-window', limit: 3, window: '1m' }, 0.5, 1],
  ])('of %o admits %f of it in a window', async (rule, share, most) => {
    expect(await admitted(rule, share, 60, 3)).toBe(most)
    expect(await admitted(rule, share, 600, 3)).toBe(most * 10)
  })

  it('tells long subjects apart without keeping them', async () => {
    const limiter = createLocalLimiter(
      [resolveRule({ algorithm: 'fixed-window', limit: 1, window: '1m' }, '')],
      1,
      fakeClock(),
    )
    // Made anew each time, so that nothing but the limiter can hold it.
    const subject = (n: number): string => `${n}${'x'.repeat(250_000)}${n}`
    const before = await memoryAfterGc()
    for (let n = 0; n < 400; n++) {
      expect(limiter.consume(subject(n), 1, true).allowed).toBe(true)
    }
    expect((await memoryAfterGc()) - before).toBeLessThan(20_000_000)
    expect(limiter.consume(subject(5), 1, true).allowed).toBe(false)
    limiter.reset(subject(5))
    expect(limiter.consume(subject(5), 1, true).allowed).toBe(true)
  })

  it('takes a cost up to the burst, and tells when it passes', async () => {
    const clock = fakeClock()
    const rule = resolveRule({ algorithm: 'gcra', limit: 10, window: '1m', burst: 50 }, '')
    const limiter = createLocalLimiter([rule], 1, clock)
    expect(limiter.consume('u', 50, true)).toMatchObject({ allowed: true, limit: 50, remaining: 0 })
    const { allowed, retryAfter } = limiter.consume('u', 1, true)
    expect(allowed).toBe(false)
    await clock.advance(retryAfter * 1_000)
    expect(limiter.consume('u', 50, true).allowed).toBe(true)
  })
})
