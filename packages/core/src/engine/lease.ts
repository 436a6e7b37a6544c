/** The right to load a key, which this process has alone until it fills or gives back. */
export interface HeldLease {
  /** Stores what was loaded if nothing has touched the key since. Rejects with a `CorralError`. */
  readonly fill: (tail: string, ttlMs: number) => Promise<boolean>
  /**
   * Nothing will be stored: others may load at once. After a failure with a stale value in place,
   * only when a moment has passed.
   */
  readonly giveBack: (failed: boolean) => void
}
