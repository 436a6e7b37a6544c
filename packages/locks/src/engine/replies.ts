/** A hold that Redis has confirmed. */
export interface Grant {
  readonly token: string
  readonly fence: number
  readonly ttlMs: number
  /** When the request that got it was sent, by the monotonic clock: its time counts from here. */
  readonly sentAt: number
}

/** What Redis said to somebody who wants a lock that is not free. */
export interface Busy {
  /** Earliest time in ms from now at which it is free if its holder says nothing more. */
  readonly leftMs: number
  /** The holder's whole ttl in ms. */
  readonly ttlMs: number
  /** Who holds it, or whom this very call handed it to. Empty when several hold it. */
  readonly holder: string
  /** Until when `holder` may claim what this call handed to it; empty if it did not. */
  readonly handedUntil: string
}

export type Attempted = Grant | Busy

export interface AttemptRequest {
  readonly token: string
  readonly ttlMs: number
  /** On which channel it waits in line, `-` for none; empty for those who do not wait. */
  readonly channel: string
  /** Whether it may stand in the line already. */
  readonly again: boolean
}

export interface ReleaseRequest {
  /** Empty: whoever holds it. */
  readonly token: string
  /** Who gets it next if nobody is before it. */
  readonly pass?: { readonly token: string; readonly ttlMs: number; readonly first: boolean }
  /** Channel whose waiters may be served by the reply. */
  readonly own?: string
  /** Entry to take out of the line. */
  readonly entry?: string
}

export type Released =
  | { readonly kind: 'not-held' | 'free' }
  /** Held now by another token of this process. */
  | { readonly kind: 'passed'; readonly grant: Grant }
  /** Reserved for a waiter elsewhere, who has until then (server microseconds) to claim it. */
  | { readonly kind: 'handed'; readonly token: string; readonly until: string }

/** What is known of a lock, from outside. */
export interface Snapshot {
  readonly waiting: number
  readonly fence: number | undefined
  readonly holders: readonly { readonly token: string; readonly leftMs: number }[]
}

export function isGrant(reply: Attempted): reply is Grant {
  return 'fence' in reply
}

/** See {@link LockScripts} for the forms of the replies. */
export function readAttempt(
  reply: unknown,
  token: string,
  ttlMs: number,
  sentAt: number,
): Attempted {
  if (!Array.isArray(reply)) return { token, fence: Number(reply), ttlMs, sentAt }
  const [leftMs, holdersTtlMs, holder, handedUntil] = reply as unknown[]
  return {
    leftMs: Number(leftMs),
    ttlMs: Number(holdersTtlMs),
    holder: String(holder),
    handedUntil: String(handedUntil),
  }
}

const FREE: Released = { kind: 'free' }
const NOT_HELD: Released = { kind: 'not-held' }

export function readRelease(reply: unknown, sentAt: number): Released {
  if (!Array.isArray(reply)) return Number(reply) === 1 ? FREE : NOT_HELD
  const [code, holder, third, fourth] = reply as unknown[]
  const token = String(holder)
  if (Number(code) === 3) return { kind: 'handed', token, until: String(third) }
  return {
    kind: 'passed',
    grant: { token, fence: Number(third), ttlMs: Number(fourth), sentAt },
  }
}

export function readSnapshot(reply: readonly unknown[]): Snapshot {
  const [waiting, fence, ...rest] = reply
  const holders: { token: string; leftMs: number }[] = []
  for (let i = 0; i < rest.length; i += 2) {
    holders.push({ token: String(rest[i]), leftMs: Number(rest[i + 1]) })
  }
  return { waiting: Number(waiting), fence: fence === '' ? undefined : Number(fence), holders }
}
