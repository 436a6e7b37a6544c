/** What the demo asks of a process that calls the cache. */
export type CallerTask =
  | {
      readonly task: 'stampede'
      readonly key: string
      readonly callers: number
      /** When all processes begin, in epoch milliseconds. */
      readonly at: number
    }
  | { readonly task: 'follow'; readonly key: string }
  | { readonly task: 'stop' }

/** What came of a stampede in one process. */
export interface StampedePart {
  /** Times of all callers that were answered, in milliseconds. */
  readonly took: readonly number[]
  /** Loaders that ran in this process. */
  readonly loads: number
  /** Different values that callers were given, as JSON. */
  readonly values: readonly string[]
  /** Why callers were not answered. */
  readonly errors: readonly string[]
}

/** How a process that follows a key read it. */
export interface FollowPart {
  readonly reads: number
  /** Reads that its own copy answered. */
  readonly near: number
}

export type CallerReport =
  | ({ readonly report: 'stampede' } & StampedePart)
  /** It read this version for the first time; `at` in epoch milliseconds. */
  | { readonly report: 'saw'; readonly version: number; readonly at: number }
  | ({ readonly report: 'followed' } & FollowPart)
