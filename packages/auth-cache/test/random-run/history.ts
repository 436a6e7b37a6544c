/** What one process did, in milliseconds of the clock that all processes of a machine share. */
export type Event = Attempt | Revoked

export interface Attempt {
  readonly kind: 'attempt'
  readonly worker: number
  readonly token: string
  readonly start: number
  readonly end: number
  readonly outcome: string
  /** When the verifier of this very call gave its answer. */
  readonly verified: number | undefined
  /** When the token was issued. */
  readonly issued: number
}

export interface Revoked {
  readonly kind: 'token' | 'user' | 'all'
  /** The token itself, or its user. */
  readonly target: string
  /** Of a user or everybody: tokens issued under a smaller number are revoked. */
  readonly serial: number
  readonly start: number
  /** `undefined`: not acknowledged. */
  readonly acknowledged: number | undefined
}

/** The target of everybody's revocation; no user's name. */
export const EVERYBODY = '*'

export function userOf(token: string): string {
  return token.slice(0, token.indexOf('-'))
}

/** The number that it was issued under. */
export function serialOf(token: string): number {
  return Number(token.split('-')[1])
}

/** Whether a revocation of this token, its user or everybody is one of the token. */
function concerns({ kind, target, serial }: Revoked, token: string): boolean {
  return kind === 'token' ? target === token : serial > serialOf(token)
}

/**
 * Attempts that break the promise.
 *
 * @param boundOf how long after an acknowledgement a process may serve on, ms
 */
export function findViolations(
  events: readonly Event[],
  boundOf: (worker: number) => number,
): { readonly served: Attempt[]; readonly refused: Attempt[]; readonly latest: number } {
  const revoked = events.filter((event): event is Revoked => event.kind !== 'attempt')
  const byUser = new Map<string, Revoked[]>()
  for (const it of revoked) {
    const user = it.kind === 'token' ? userOf(it.target) : it.target
    byUser.set(user, [...(byUser.get(user) ?? []), it])
  }
  const everybodys = byUser.get(EVERYBODY) ?? []
  const served: Attempt[] = []
  const refused: Attempt[] = []
  let latest = 0
  for (const event of events) {
    if (event.kind !== 'attempt') continue
    const { token, issued, start, end, verified, outcome, worker } = event
    const all = [...(byUser.get(userOf(token)) ?? []), ...everybodys]
    if (outcome === 'resolved') {
      for (const it of all) {
        const { acknowledged } = it
        if (acknowledged === undefined || !concerns(it, token)) continue
        const late = Math.max(start, verified ?? 0) - acknowledged
        if (late > 0) latest = Math.max(latest, late)
        if (late > boundOf(worker)) {
          served.push(event)
          break
        }
      }
    } else if (outcome === 'TOKEN_REVOKED' || outcome === 'TOKEN_INVALID') {
      // Refused without a reason: it is not revoked, and its user's revocations were over when it
      // was issued (an unacknowledged one is never over).
      const reason = all.some(
        (it) =>
          it.start <= end &&
          (concerns(it, token) || (it.kind !== 'token' && (it.acknowledged ?? Infinity) >= issued)),
      )
      if (!reason) refused.push(event)
    }
  }
  return { served, refused, latest }
}
