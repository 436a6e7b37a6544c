import { isCorralError, type CorralError } from '@corral/connection'
import { leaseToken } from '../protocol/lease-token.ts'
import { refreshLeaseKey } from '../protocol/protocol-keys.ts'
import type { DecodedEntry } from '../protocol/entry-format.ts'
import { entryIdentity } from '../protocol/wire-entry.ts'
import { traceChannel, type CoreEvents } from '../trace.ts'
import { giveBackUnheard, holdLease } from './held-lease.ts'
import type { HeldLease } from './lease.ts'
import type { Job } from './loading.ts'
import type { Parts } from './parts.ts'
import type { Found } from './found.ts'
import type { Reads } from './reads.ts'
import { startLoading } from './single-flight.ts'

const waits = traceChannel('corral:core:lease-wait')

/** What became of asking for the right to load a key. */
export type Claim =
  /** Nobody else loads it now. */
  | { readonly kind: 'held'; readonly lease: HeldLease }
  /** Another process has brought the value. */
  | { readonly kind: 'entry'; readonly entry: DecodedEntry }
  /** Another process loads it, and there is a stale value that this caller can have at once. */
  | { readonly kind: 'busy' }
  /** Another process loads it, and it was waited for in vain. */
  | { readonly kind: 'timeout' }
  /** What stands there is not to be replaced. */
  | { readonly kind: 'alone' }

/** What the lease is asked for beside, or in the place of. */
interface Place {
  /** Identity of the stale entry that stays readable meanwhile. */
  readonly beside: string | undefined
  /** Identity of the dead entry that goes. */
  readonly dead: string
}

/** A key that changes this often while one caller asks is left to the others. */
const mostTurns = 100

const empty: Place = { beside: undefined, dead: '' }

/**
 * Asks for the lease of a key until this caller has it, another's value is there, or its patience ends.
 *
 * @param patient false: does not wait for others
 */
export type MakeClaim = (job: Job, found: Found, patient: boolean) => Promise<Claim>

export function createClaims(parts: Parts, reads: Reads): MakeClaim {
  const { source, namespace, tier, clock, wake, counters } = parts

  function ask(redisKey: string, token: string, leaseMs: number, place: Place) {
    return place.beside === undefined
      ? tier.lease(redisKey, token, leaseMs, place.dead)
      : tier.refresh(redisKey, token, leaseMs, place.beside)
  }

  async function askOnce(redisKey: string, token: string, leaseMs: number, place: Place) {
    try {
      return await ask(redisKey, token, leaseMs, place)
    } catch (error) {
      if (isCorralError(error, 'REDIS_UNAVAILABLE') && wasSent(error)) {
        const leaseKey = place.beside === undefined ? redisKey : refreshLeaseKey(redisKey)
        const again = (): ReturnType<typeof ask> => ask(redisKey, token, leaseMs, place)
        giveBackUnheard(parts, leaseKey, token, leaseMs, again)
      }
      throw error
    }
  }

  return async function claim(job, found, patient) {
    const { key, redisKey, policy, flight } = job
    let place = placeOf(found)
    let waitedSince: number | undefined
    let polls = 0

    function told(outcome: CoreEvents['corral:core:lease-wait']['outcome']): void {
      if (waitedSince === undefined || !waits.hasSubscribers) return
      waits.publish({ source, namespace, key, outcome, duration: clock.now() - waitedSince })
    }

    for (let turn = 0; turn < mostTurns + polls; turn++) {
      // Before Redis is asked: a change between its answer and the wait is then not slept through.
      const mark = wake.mark(redisKey)
      const token = leaseToken()
      const reply = await askOnce(redisKey, token, policy.leaseMs, place)
      if (reply.status === 'held') {
        told('lease')
        const grant = { token, at: reply.at }
        return {
          kind: 'held',
          lease: holdLease(parts, redisKey, grant, policy.leaseMs, place.beside),
        }
      }
      if (reply.status === 'busy') {
        if (!patient || flight.stale !== undefined) return { kind: 'busy' }
        if (waitedSince === undefined) {
          waitedSince = clock.now()
          counters.leaseWaited++
          startLoading(flight)
        }
        const left = waitedSince + policy.waitMs * policy.attempts - clock.now()
        if (left <= 0) {
          told('timeout')
          return { kind: 'timeout' }
        }
        // A holder that was killed is noticed when its lease ends, not when a signal tells.
        const ms = Math.min(left, policy.waitMs, reply.remainingMs + 1)
        await wake.wait(redisKey, ms, { mark, attempt: polls++ })
        if (flight.abandoned !== undefined) throw flight.abandoned.reason
        continue
      }
      const next = await reads.judge(redisKey, reply.text, policy.schema)
      if (next.entry !== undefined && next.fresh) {
        told('value')
        return { kind: 'entry', entry: next.entry }
      }
      if (isUntouchable(next)) return { kind: 'alone' }
      place = placeOf(next)
    }
    told('failed')
    return { kind: 'alone' }
  }
}

/** It may have been done: only the answer is missing. */
function wasSent({ reason }: CorralError): boolean {
  return reason === 'deadline' || reason === 'connection-lost'
}

function placeOf({ entry, missed, stored }: Found): Place {
  if (stored === null || missed === 'lease') return empty
  const identity = entryIdentity(stored)
  return entry === undefined
    ? { beside: undefined, dead: identity }
    : { beside: identity, dead: '' }
}

/** Another version's, or not this key's at all. */
export function isUntouchable({ entry, missed }: Found): boolean {
  return entry === undefined && (missed === 'newer' || missed === 'mismatch')
}
