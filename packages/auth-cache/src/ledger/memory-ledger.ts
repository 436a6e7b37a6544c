import type { Clock } from '@corral/connection'
import type { Ledger } from './ledger.ts'

/** The ledger of a cache without Redis: one process, for development and tests. */
export function createMemoryLedger(clock: Clock): Ledger {
  const stamps = new Map<string, { readonly stamp: number; readonly until: number }>()
  let newest = 0

  function known(key: string): number {
    const it = stamps.get(key)
    if (it === undefined) return 0
    if (it.until > clock.now()) return it.stamp
    stamps.delete(key)
    return 0
  }

  return {
    read: (keys) => keys.map(known),
    newest: () => Promise.resolve(newest),
    revoke(key, ttlMs) {
      newest = Math.max(newest + 1, clock.wallNow() * 1_000)
      const until = Math.max(clock.now() + ttlMs, stamps.get(key)?.until ?? 0)
      stamps.set(key, { stamp: newest, until })
      return Promise.resolve()
    },
    known,
    get newestKnown() {
      return newest
    },
    async close() {
      stamps.clear()
    },
  }
}
