/**
 * Milliseconds before its end at which a lock counts as over here: our clock and the server's may
 * run at rates that differ by up to 1 %, and a timer takes a moment to fire.
 */
export function marginMs(ttlMs: number): number {
  return ttlMs * 0.01 + 5
}

/** Until when a hold is good, by the monotonic clock, counted from before its request was sent. */
export function validUntil(sentAt: number, ttlMs: number): number {
  return sentAt + ttlMs - marginMs(ttlMs)
}
