import type { Connection } from '@corral/connection'
import type { RateLimitResult } from './rate-limit-result.ts'

/** Remembers who is blocked, so that a flood of rejected calls costs Redis nothing. */
export interface BlockedSubjects {
  /** The answer for a subject that is certainly still blocked, or undefined: ask Redis. */
  get(subject: string, cost: number): Promise<RateLimitResult> | undefined
  /** How many resets were heard of so far. */
  readonly resets: number
  /**
   * @param askedAt local ms before the call that was rejected was sent
   * @param resetsBefore {@link resets} at that time: a reset since then may be newer than the rejection
   */
  add(
    subject: string,
    cost: number,
    result: RateLimitResult,
    askedAt: number,
    resetsBefore: number,
  ): void
  delete(subject: string): void
  /** Tells all processes that a subject was reset. */
  announce(subject: string): Promise<void>
  close(): void
}

interface Block {
  /** Local ms before which no call of this cost can pass. */
  readonly certainUntil: number
  /** Local ms at which it passes at the latest; from here `retryAfter` is told. */
  readonly endsAt: number
  readonly resetsAt: number
  /** Cheapest call that was rejected: a cheaper one might pass. */
  readonly cost: number
  result: RateLimitResult
  promise: Promise<RateLimitResult>
}

const MOST = 10_000
/** Longer ones, of headers that somebody filled, are asked for each time: they would take the memory. */
const LONGEST_SUBJECT = 1_000
/** Asked again after that, whatever was said: Redis may have lost its data. */
const LONGEST_MS = 10_000

/**
 * Exact as long as three things hold, and not used otherwise: rejected calls do not count (else each
 * moves the end), resets by other processes are heard (signals are on), and a block is counted from
 * before the call that was rejected, so that it never outlasts the server's.
 */
export function createBlockedSubjects(connection: Connection, channel: string): BlockedSubjects {
  const { clock } = connection
  const blocks = new Map<string, Block>()
  let hearing = false
  let resets = 0
  let stop: (() => void) | undefined
  let closed = false

  function listen(): void {
    stop ??= connection.signals.subscribe(channel, {
      message: forget,
      state(state) {
        hearing = state === 'on'
        resets++
        if (!hearing) blocks.clear()
      },
    })
  }

  function forget(subject: string): void {
    resets++
    blocks.delete(subject)
  }

  return {
    get resets() {
      return resets
    },
    get(subject, cost) {
      const block = blocks.get(subject)
      if (block === undefined) return undefined
      const now = clock.now()
      if (now >= block.certainUntil) {
        blocks.delete(subject)
        return undefined
      }
      // Turned round, as NaN is no less either.
      if (!(cost >= block.cost)) return undefined
      const retryAfter = Math.ceil(block.endsAt - now) / 1000
      if (retryAfter !== block.result.retryAfter) {
        const resetAfter = Math.ceil(block.resetsAt - now) / 1000
        block.result = { ...block.result, retryAfter, resetAfter }
        block.promise = Promise.resolve(block.result)
      }
      return block.promise
    },
    add(subject, cost, result, askedAt, resetsBefore) {
      if (closed || subject.length > LONGEST_SUBJECT) return
      listen()
      if (!hearing || resets !== resetsBefore) return
      const waitMs = result.retryAfter * 1000
      // `retryAfter` was rounded up; a block must not outlast the wait itself.
      const certainUntil = askedAt + Math.min(waitMs - 1, LONGEST_MS)
      if (blocks.size >= MOST) blocks.clear()
      blocks.set(subject, {
        certainUntil,
        endsAt: clock.now() + waitMs,
        resetsAt: clock.now() + result.resetAfter * 1000,
        cost,
        result,
        promise: Promise.resolve(result),
      })
    },
    delete: forget,
    announce: (subject) => connection.publish(channel, subject),
    close() {
      closed = true
      blocks.clear()
      stop?.()
    },
  }
}
