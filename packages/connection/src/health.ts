/** What `connection.health()` tells. */
export interface ConnectionHealth {
  /** `ok`: every server answers; `degraded`: some do, or writes are refused; `down`: none does. */
  readonly status: 'ok' | 'degraded' | 'down'
  readonly healthy: boolean
  /** Milliseconds of a PING, when one was answered. */
  readonly latency: number | undefined
  /** Why not, without any secret. */
  readonly error?: string
  /** How often the connection to a server was made again. */
  readonly reconnectAttempts: number
  readonly signals: { readonly state: string; readonly tracking: boolean }
  readonly nodes: readonly NodeHealth[]
}

/** One server. */
export interface NodeHealth {
  readonly node: string
  /** The client's own word: `ready`, `reconnecting`, `wait` … */
  readonly client: string
  readonly read: 'closed' | 'open' | 'half-open'
  readonly write: 'closed' | 'open' | 'half-open'
  /** Commands of ours in flight. */
  readonly pending: number
  /** Calls of ours that wait for a place. */
  readonly queued: number
}
