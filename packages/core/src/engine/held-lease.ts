import type { TimerHandle } from '@corral/connection'
import { refreshLeaseKey } from '../protocol/protocol-keys.ts'
import { leaseText } from '../protocol/wire-entry.ts'
import type { HeldLease } from './lease.ts'
import type { Parts } from './parts.ts'

/** How long nobody tries again after a refresh has failed. */
export const backOffMs = 1_000

/** A killed process stops prolonging its leases, so that others go on when they end. */
const beatsPerLease = 3

/**
 * @param entry identity of the stale entry beside which the lease stands; undefined: it stands at the
 *   key itself
 */
export function holdLease(
  { tier, clock, leases, failures, inBackground }: Parts,
  redisKey: string,
  grant: { readonly token: string; readonly at: number },
  leaseMs: number,
  entry: string | undefined,
): HeldLease {
  const { at } = grant
  const own = leaseText(grant.token, at)
  const leaseKey = entry === undefined ? redisKey : refreshLeaseKey(redisKey)
  let timer: TimerHandle | undefined
  let over = false

  function arm(): void {
    if (!over) timer = clock.setTimer(beat, leaseMs / beatsPerLease, { unref: true })
  }

  function beat(): void {
    tier.extend(leaseKey, own, leaseMs).then(
      // Broken by a set or a delete: there is nothing left to prolong.
      (stands) => stands && arm(),
      arm,
    )
  }

  function end(): void {
    over = true
    leases.delete(lease)
    if (timer !== undefined) clock.clearTimer(timer)
  }

  const lease: HeldLease = {
    fill(tail, ttlMs) {
      end()
      const beside = entry === undefined ? undefined : { key: leaseKey, identity: own }
      const given = { redisKey, identity: entry ?? own, ttlMs, at, tail, beside }
      // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- it is no array
      return tier.fill(given)
    },
    giveBack(failed) {
      if (over) return
      end()
      const given =
        failed && entry !== undefined
          ? tier.extend(leaseKey, own, backOffMs)
          : tier.remove(leaseKey, own)
      // What cannot be given back ends by itself.
      inBackground(given.catch((error: unknown) => failures.note('lease', error)))
    },
  }
  leases.add(lease)
  arm()
  return lease
}
