import type { Clock } from '../clock.ts'

/** Estimates one server's clock from replies to TIME. */
export interface ServerClock {
  readonly known: boolean
  /** Whether the estimate is old or rough enough to be worth another TIME. */
  readonly stale: boolean
  /** Forgets everything: the next `ready` may be another machine. */
  forget(): void
  /** The estimate proved wrong; it stands until the next reply, whatever that one's precision. */
  distrust(): void
  /** Takes a reply to TIME with the local times of asking and of the answer. */
  learn(reply: unknown, askedAt: number, answeredAt: number): void
  /** The server's clock, in whole microseconds, when ours shows `at`. Never ahead of the truth. */
  at(at: number): number
}

const REFRESH_MS = 30_000
/** A sample this precise is good enough until it is old. */
const PRECISE_MS = 5
const RETRY_MS = 1_000

/**
 * The server read its clock somewhere between question and answer. Taking the answer's moment
 * gives an estimate that is never ahead, so a write's deadline is never too late.
 */
export function createServerClock(clock: Clock): ServerClock {
  let offsetMicros: number | undefined
  let learntAt = 0
  let precision = Infinity

  return {
    get known() {
      return offsetMicros !== undefined
    },
    get stale() {
      const age = clock.now() - learntAt
      return age > REFRESH_MS || (precision > PRECISE_MS && age > RETRY_MS)
    },
    forget() {
      offsetMicros = undefined
      precision = Infinity
    },
    distrust() {
      precision = Infinity
    },
    learn(reply, askedAt, answeredAt) {
      if (!Array.isArray(reply) || reply.length < 2) return
      const micros = Number(reply[0]) * 1e6 + Number(reply[1])
      if (!Number.isSafeInteger(micros)) return
      const took = answeredAt - askedAt
      // A rougher reply says less than what is known, until that is old.
      if (took > precision && answeredAt - learntAt < REFRESH_MS) return
      offsetMicros = micros - answeredAt * 1000
      precision = took
      learntAt = answeredAt
    },
    at: (at) => Math.floor(at * 1000 + (offsetMicros ?? Number.NaN)),
  }
}
