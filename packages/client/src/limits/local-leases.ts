import { randomBytes } from 'node:crypto'
import type { Clock } from '@corral/connection'
import { shortSubject } from '../keys/subject-tag.ts'
import type { ConcurrencyLease } from './concurrency-lease.ts'

/** Places of this process alone, while Redis cannot count them. */
export interface LocalLeases {
  /** @param always take one even when none is left */
  acquire(
    subject: string,
    always: boolean,
  ): { readonly count: number; readonly waitMs: number; readonly lease?: ConcurrencyLease }
  count(subject: string): number
}

/** Most subjects counted at a time; the one that came first is forgotten for one more. */
const MOST_SUBJECTS = 10_000

export function createLocalLeases(limit: number, leaseMs: number, clock: Clock): LocalLeases {
  /** By subject, the end of each lease in local ms, in the order in which they run out. */
  const subjects = new Map<string, Map<string, number>>()

  function held(subject: string): Map<string, number> {
    const leases = subjects.get(subject) ?? new Map<string, number>()
    for (const [id, end] of leases) if (end <= clock.now()) leases.delete(id)
    return leases
  }

  function put(subject: string, id: string): void {
    const leases = subjects.get(subject) ?? new Map<string, number>()
    if (!subjects.has(subject) && subjects.size >= MOST_SUBJECTS) {
      const [oldest] = subjects.keys()
      if (oldest !== undefined) subjects.delete(oldest)
    }
    leases.delete(id)
    leases.set(id, clock.now() + leaseMs)
    subjects.set(subject, leases)
  }

  return {
    acquire(whose, always) {
      const subject = shortSubject(whose)
      const leases = held(subject)
      if (leases.size >= limit && !always) {
        const [first = clock.now()] = leases.values()
        return { count: leases.size, waitMs: first - clock.now() }
      }
      const id = randomBytes(12).toString('base64url')
      put(subject, id)
      let expiresAt = clock.wallNow() + leaseMs
      const release = (): Promise<boolean> => {
        const mine = held(subject)
        const there = mine.delete(id)
        if (mine.size === 0) subjects.delete(subject)
        return Promise.resolve(there)
      }
      const lease: ConcurrencyLease = {
        id,
        get expiresAt() {
          return expiresAt
        },
        extend() {
          const there = held(subject).has(id)
          if (there) {
            put(subject, id)
            expiresAt = clock.wallNow() + leaseMs
          }
          return Promise.resolve(there)
        },
        release,
        async [Symbol.asyncDispose]() {
          await release()
        },
      }
      return { count: held(subject).size, waitMs: 0, lease }
    },
    count: (subject) => held(shortSubject(subject)).size,
  }
}
