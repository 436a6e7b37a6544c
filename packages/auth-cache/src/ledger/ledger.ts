/**
 * What was revoked. A revocation is a stamp, `max(newest of the namespace + 1, server time in µs)`,
 * that outlives everything stored before it. A record carries the newest stamp of the namespace
 * from before it was found out; it is dead when a stamp that concerns it is newer. No clocks are
 * compared, so no fill under way can be younger than a revocation that it does not know of.
 */
export interface Ledger {
  /**
   * The stamps of these keys, 0 where nothing was revoked. At once, without a promise, where this
   * process has complete copies of them all.
   *
   * @param keep whether copies are worth keeping: not for tokens that anybody may have made up
   * @throws CorralError when Redis cannot be asked
   */
  read(keys: readonly string[], keep: boolean): readonly number[] | Promise<readonly number[]>
  /** The newest stamp of the namespace, always from Redis itself. */
  newest(): Promise<number>
  /**
   * Revokes. Resolves when it is acknowledged.
   *
   * @throws CorralError when it is not: then it holds here, and is sent again
   */
  revoke(key: string, ttlMs: number): Promise<void>
  /** What this process knows of a key without asking; `Infinity` while a revocation is not acknowledged. */
  known(key: string): number
  /** The newest stamp that this process knows of. */
  readonly newestKnown: number
  close(): Promise<void>
}
