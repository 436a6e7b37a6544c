/** What the protocol checks. The tests take each away in turn and expect the checker to notice. */
export type Guard =
  /** A fill stores only where its lease still stands. */
  | 'fill-needs-lease'
  /** A delete takes the lease with it. */
  | 'delete-breaks-lease'
  /** A lease is given only where none stands. */
  | 'one-lease'
  /** A lease replaces a dead entry only if it is the one that was read. */
  | 'dead-is-known'
  /** A refresh stores only over the entry that it read. */
  | 'refresh-compares'
  /** A script refuses to run after its deadline. */
  | 'deadline'
  /** A load counts as of its lease, not of its fill. */
  | 'loaded-at-lease'
  /** A stamp also kills what was loaded up to `clockSkew` after it. */
  | 'skew'
  /** A writer names the stamps it knew. */
  | 'seen'
  /** Each stamp is measured against what was seen of it, not of all. */
  | 'seen-per-stamp'
  /** The sweep leaves what a reader would still serve. */
  | 'sweep-compares'
  /** A fill leaves other types alone. */
  | 'fill-checks-type'
  /** A script asks for room before it deletes. */
  | 'room-first'
  /** A failed load gives back its own lease only. */
  | 'release-compares'

export interface Guards {
  has(guard: Guard): boolean
}

export const allGuards: Guards = { has: () => true }

export function without(...removed: Guard[]): Guards {
  return { has: (guard) => !removed.includes(guard) }
}
