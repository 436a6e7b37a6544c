import type { RateAlgorithm } from '../../src/index.ts'

/** What a limiter should say, told the simple way: whole numbers without bound, no clever state. */
export interface Model {
  /** Whether a call of `cost` at `now` (µs) fits; it is not counted. */
  fits(now: bigint, cost: bigint): boolean
  take(now: bigint, cost: bigint): void
  /** How many calls of cost 1 would still fit at `now`. */
  remaining(now: bigint): bigint
}

export interface ModelRule {
  readonly algorithm: RateAlgorithm
  readonly limit: bigint
  readonly window: bigint
  readonly burst: bigint
  readonly aligned: boolean
}

interface Taken {
  readonly at: bigint
  readonly cost: bigint
}

export function modelOf(rule: ModelRule): Model {
  const { limit, window, burst } = rule
  if (rule.algorithm === 'fixed-window') {
    let start: bigint | undefined
    let count = 0n
    const open = (now: bigint): boolean => start !== undefined && now < start + window
    const used = (now: bigint): bigint => (open(now) ? count : 0n)
    return {
      fits: (now, cost) => used(now) + cost <= limit,
      take(now, cost) {
        if (!open(now)) {
          start = rule.aligned ? (now / window) * window : now
          count = 0n
        }
        count += cost
      },
      remaining: (now) => limit - used(now),
    }
  }
  const log: Taken[] = []
  const sum = (which: (taken: Taken) => boolean): bigint =>
    log.reduce((total, taken) => (which(taken) ? total + taken.cost : total), 0n)
  const take = (at: bigint, cost: bigint): void => void log.push({ at, cost })

  if (rule.algorithm === 'sliding-log') {
    const used = (now: bigint): bigint => sum(({ at }) => at > now - window)
    return {
      take,
      fits: (now, cost) => used(now) + cost <= limit,
      remaining: (now) => limit - used(now),
    }
  }
  if (rule.algorithm === 'sliding-window') {
    // Everything times `window`, so that the weight is a whole number.
    const used = (now: bigint): bigint => {
      const index = now / window
      const current = sum(({ at }) => at / window === index)
      const before = sum(({ at }) => at / window === index - 1n)
      return before * (window - (now % window)) + current * window
    }
    return {
      take,
      fits: (now, cost) => used(now) + cost * window <= limit * window,
      remaining: (now) => (limit * window - used(now)) / window,
    }
  }
  if (rule.algorithm === 'token-bucket') {
    // Tokens times `window`; `limit` of these come back each µs.
    let tokens = burst * window
    let at: bigint | undefined
    const now_ = (now: bigint): bigint => {
      const grown = tokens + (at === undefined ? 0n : (now - at) * limit)
      return grown > burst * window ? burst * window : grown
    }
    return {
      fits: (now, cost) => now_(now) >= cost * window,
      take(now, cost) {
        tokens = now_(now) - cost * window
        at = now
      },
      remaining: (now) => now_(now) / window,
    }
  }
  // GCRA: the theoretical arrival time of the next call, times `limit`.
  let tat = 0n
  const later = (now: bigint): bigint => (tat > now * limit ? tat : now * limit)
  return {
    fits: (now, cost) => later(now) + cost * window - burst * window <= now * limit,
    take(now, cost) {
      tat = later(now) + cost * window
    },
    remaining: (now) => (now * limit + burst * window - later(now)) / window,
  }
}
