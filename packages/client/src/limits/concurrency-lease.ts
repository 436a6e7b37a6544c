/** One place among the calls that run at once. */
export interface ConcurrencyLease extends AsyncDisposable {
  readonly id: string
  /** Epoch ms at which the place is free again unless extended, by the clock that counts it. */
  readonly expiresAt: number
  /** Lives for another whole lease from now. False: it has run out already. */
  extend(): Promise<boolean>
  /** Gives the place back; false when it was no longer held, or Redis was not reached: then it runs out. */
  release(): Promise<boolean>
}
