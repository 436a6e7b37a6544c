import type { Redis } from 'ioredis'

/** Another lock library on one server. */
export interface LockPeer {
  readonly name: string
  /** Resolves with how to release it. */
  acquire(name: string, ttlMs: number): Promise<() => Promise<void>>
  close(): Promise<void>
}

export interface LockRetry {
  /** Milliseconds between two looks at a held lock. */
  readonly delayMs: number
  readonly jitterMs: number
}

export type OpenLockPeer = (client: () => Redis, retry?: LockRetry) => Promise<LockPeer>
