import { isCorralError, type Clock, type TimerHandle } from '@corral/connection'
import { refreshLeaseKey } from '../protocol/protocol-keys.ts'
import { leaseText } from '../protocol/wire-entry.ts'
import type { HeldLease } from './lease.ts'
import type { Parts } from './parts.ts'

/** How long nobody tries again after a refresh has failed. */
export const backOffMs = 1_000

/** How soon what Redis did not hear is said again. */
const againMs = 50

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
  let endsAt = clock.now() + leaseMs

  function arm(): void {
    if (!over) timer = clock.setTimer(beat, leaseMs / beatsPerLease, { unref: true })
  }

  function beat(): void {
    tier.extend(leaseKey, own, leaseMs).then(
      // Broken by a set or a delete: there is nothing left to prolong.
      (stands) => {
        endsAt = clock.now() + leaseMs
        if (stands) arm()
      },
      arm,
    )
  }

  const leave = (): Promise<unknown> => tier.remove(leaseKey, own)

  /** Redis may be away for less than a lease. */
  function leaveLater(error: unknown): void {
    if (isCorralError(error, 'REDIS_UNAVAILABLE')) untilHeard(clock, endsAt, leave)
  }

  /** Nobody is to wait for a lease that nobody holds. */
  function notStored(reason: unknown): void {
    if (isCorralError(reason, 'REDIS_UNAVAILABLE')) leaveLater(reason)
    else leave().catch(leaveLater)
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
      const stored = tier.fill(given)
      stored.catch(notStored)
      return stored
    },
    giveBack(failed) {
      if (over) return
      end()
      const given =
        failed && entry !== undefined
          ? tier.extend(leaseKey, own, backOffMs)
          : tier.remove(leaseKey, own)
      const told = given.catch((error: unknown) => {
        leaveLater(error)
        failures.note('lease', error)
      })
      inBackground(told)
    },
  }
  leases.add(lease)
  arm()
  return lease
}

/**
 * Gives back a lease that was asked for and perhaps granted: the answer did not come.
 *
 * @param ask asks for it once more, with the same token; then it is known when it was granted
 */
export function giveBackUnheard(
  { tier, clock }: Pick<Parts, 'tier' | 'clock'>,
  leaseKey: string,
  token: string,
  leaseMs: number,
  ask: () => Promise<{ readonly status: string; readonly at?: number }>,
): void {
  untilHeard(clock, clock.now() + leaseMs, async () => {
    const { status, at } = await ask()
    if (status === 'held' && at !== undefined) await tier.remove(leaseKey, leaseText(token, at))
  })
}

/** Says something again until Redis has heard it, or it is of no use any more. Does not reject. */
function untilHeard(clock: Clock, until: number, say: () => Promise<unknown>): void {
  function again(): void {
    say().catch((error: unknown) => {
      if (isCorralError(error, 'REDIS_UNAVAILABLE')) later()
    })
  }
  function later(): void {
    if (clock.now() < until) clock.setTimer(again, againMs, { unref: true })
  }
  later()
}
