import type { Busy } from '../engine/replies.ts'

/**
 * Milliseconds until a waiter looks again. Who is woken looks only when the lock may have lapsed,
 * and at most once per ttl of its holder; who cannot be woken polls, give or take half the delay.
 *
 * @param busy what Redis said last; undefined when it said nothing
 * @param sinceLastMs since the look before
 */
export function lookDelay(
  busy: Busy | undefined,
  delayMs: number,
  hears: boolean,
  sinceLastMs: number,
): number {
  const jitter = Math.random()
  if (hears && busy !== undefined) {
    return Math.max(busy.leftMs, busy.ttlMs - sinceLastMs, 1) + 2 + jitter * 20
  }
  return delayMs * (0.5 + jitter)
}
