import type { CacheFigures } from './service-figures.ts'

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
  /** What the process's metrics counted. */
  readonly figures: CacheFigures
  /** Different values that callers were given, as JSON. */
  readonly values: readonly string[]
  /** Why callers were not answered. */
  readonly errors: readonly string[]
}

/** How a process that follows a key read it. */
export interface FollowPart {
  /** What the process's metrics counted. */
  readonly figures: CacheFigures
  /** Reads as the process counted them itself. */
  readonly counted: number
}

export type CallerReport =
  | ({ readonly report: 'stampede' } & StampedePart)
  /** It read this version for the first time; `at` in epoch milliseconds. */
  | { readonly report: 'saw'; readonly version: number; readonly at: number }
  | ({ readonly report: 'followed' } & FollowPart)
