/** One hold of one lock; times are microseconds of the machine's monotonic clock. */
export interface Hold {
  readonly lock: string
  readonly token: string
  readonly fence: number
  /** When the lock was handed out. */
  readonly from: number
  /** Until when its holder could rely on it: its release, or the end told by the lock itself. */
  readonly to: number
}

export interface Violation {
  readonly kind: 'overlap' | 'fence' | 'token'
  readonly lock: string
  readonly text: string
}

/**
 * Looks for two holders at one time (more than `capacity`, for semaphores), fencing tokens that do
 * not grow in the order of the holds, and tokens given out twice.
 */
export function checkHistory(holds: readonly Hold[], capacity = 1): Violation[] {
  const byLock = new Map<string, Hold[]>()
  for (const hold of holds) {
    const known = byLock.get(hold.lock)
    if (known === undefined) byLock.set(hold.lock, [hold])
    else known.push(hold)
  }
  const found: Violation[] = []
  for (const [lock, all] of byLock) {
    found.push(...checkOverlaps(lock, all, capacity), ...checkTokens(lock, all))
    if (capacity === 1) found.push(...checkFences(lock, all))
  }
  return found
}

function checkOverlaps(lock: string, holds: readonly Hold[], capacity: number): Violation[] {
  const events = holds.flatMap(({ from, to, token }) => [
    { at: from, change: 1, token },
    // A hold that was over before it was handed out is never valid.
    { at: Math.max(from, to), change: -1, token },
  ])
  // At one instant an end comes before a beginning.
  events.sort((a, b) => a.at - b.at || a.change - b.change)
  const found: Violation[] = []
  let inside = 0
  for (const { at, change, token } of events) {
    inside += change
    if (change === 1 && inside > capacity) {
      found.push({ kind: 'overlap', lock, text: `${inside} holders at ${at} with ${token}` })
    }
  }
  return found
}

function checkFences(lock: string, holds: readonly Hold[]): Violation[] {
  const ordered = holds.filter(({ from, to }) => to > from).toSorted((a, b) => a.from - b.from)
  return ordered.slice(1).flatMap((hold, i): Violation[] => {
    const before = ordered[i]!
    if (hold.fence > before.fence) return []
    return [{ kind: 'fence', lock, text: `${hold.fence} after ${before.fence}` }]
  })
}

function checkTokens(lock: string, holds: readonly Hold[]): Violation[] {
  const seen = new Set<string>()
  return holds.flatMap(({ token }): Violation[] => {
    if (!seen.has(token)) {
      seen.add(token)
      return []
    }
    return [{ kind: 'token', lock, text: `${token} was given out twice` }]
  })
}
