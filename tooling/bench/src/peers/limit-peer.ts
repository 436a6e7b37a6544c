import type { Redis } from 'ioredis'

/** Another rate limiter, with one fixed window for every key. */
export interface LimitPeer {
  readonly name: string
  /** Whether one more call is allowed. */
  consume(key: string): Promise<boolean>
  close(): Promise<void>
}

export interface Limit {
  readonly calls: number
  readonly windowSeconds: number
}

export type OpenLimitPeer = (limit: Limit, client: () => Redis) => Promise<LimitPeer>
