import { isCorralError } from '@corral/connection'
import { refreshesEarly } from '../entry/early-refresh.ts'
import type { DecodedEntry } from '../protocol/entry-format.ts'
import type { MakeClaim } from './claim.ts'
import { backOffMs } from './held-lease.ts'
import type { Load } from './load.ts'
import type { Loading } from './loading.ts'
import type { Parts } from './parts.ts'
import type { Policy } from '../policy.ts'
import type { Found } from './found.ts'
import type { Reads } from './reads.ts'

/** Loads behind values that are served. */
export interface Refreshing {
  /**
   * Loads a key anew, once across all processes, while its present value is served.
   *
   * @param found what was read; undefined for a copy in this process, which is looked up first
   */
  readonly behind: (
    key: string,
    redisKey: string,
    load: Load<unknown>,
    policy: Policy,
    found: Found | undefined,
    early: boolean,
  ) => void
  /**
   * Does so where the entry has less than `withinMs` to live, fresh as it is. Resolves when the
   * refresh that this call began is over, at once where it began none; rejects when Redis cannot be
   * read, under `onError: 'throw'`.
   */
  readonly before: (
    key: string,
    redisKey: string,
    load: Load<unknown>,
    policy: Policy,
    withinMs: number,
  ) => Promise<void>
  /** Whether XFetch wants this reader to refresh a fresh entry. */
  readonly wantsEarly: (
    policy: Policy,
    redisKey: string,
    entry: Pick<DecodedEntry, 'freshUntil' | 'costMs'>,
  ) => boolean
}

const mostQuiet = 10_000

export function createRefreshing(
  parts: Parts,
  reads: Reads,
  claim: MakeClaim,
  loading: Loading,
): Refreshing {
  const { tier, clock, counters, failures, refreshes, watermark } = parts
  /** Keys of which a refresh failed, or is another's, until when they are left alone. */
  const quiet = new Map<string, number>()

  function quieten(redisKey: string): void {
    if (quiet.size >= mostQuiet) quiet.clear()
    quiet.set(redisKey, clock.now() + backOffMs)
  }

  function isQuiet(redisKey: string): boolean {
    if (quiet.size === 0) return false
    const until = quiet.get(redisKey)
    if (until === undefined) return false
    if (until > clock.now()) return true
    quiet.delete(redisKey)
    return false
  }

  function behind(
    key: string,
    redisKey: string,
    load: Load<unknown>,
    policy: Policy,
    found: Found | undefined,
    early: boolean,
  ): void {
    if (refreshes.find(redisKey) !== undefined || isQuiet(redisKey) || !watermark.mayStore) return
    const flight = refreshes.begin(redisKey)
    flight.callers = Infinity

    async function refresh(): Promise<void> {
      const seen = found ?? (await reads.find(key, redisKey, policy.schema))
      // Refreshed by another since the copy was made, or gone: the next miss loads it.
      if (seen.entry === undefined || (found === undefined && seen.fresh && !early)) return
      const job = { key, redisKey, load, policy, flight, gathered: false, behind: true }
      const claimed = await claim(job, seen, false)
      if (claimed.kind !== 'held') {
        if (claimed.kind === 'busy') quieten(redisKey)
        return
      }
      counters.refreshes++
      if (early) counters.earlyRefreshes++
      await loading.run(job, claimed.lease, seen.entry.value)
    }

    // Whoever was served does not hear of it: the value stays, and is tried again after a moment.
    flight.result = refresh()
      .catch((error: unknown) => {
        quieten(redisKey)
        if (isCorralError(error)) failures.note('lease', error)
      })
      .finally(() => refreshes.end(redisKey, flight))
  }

  return {
    behind,
    async before(key, redisKey, load, policy, withinMs) {
      if (refreshes.find(redisKey) !== undefined) return
      const found = await reads.find(key, redisKey, undefined)
      const freshUntil = found.entry?.freshUntil
      if (freshUntil === undefined || freshUntil - tier.now(redisKey) >= withinMs) return
      behind(key, redisKey, load, policy, found, true)
      await refreshes.find(redisKey)?.result
    },
    wantsEarly({ beta }, redisKey, { freshUntil, costMs }) {
      return (
        beta > 0 &&
        freshUntil !== undefined &&
        costMs !== undefined &&
        refreshesEarly(tier.now(redisKey), freshUntil, costMs, beta, 1 - Math.random())
      )
    },
  }
}
