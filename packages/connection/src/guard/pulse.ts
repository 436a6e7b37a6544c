import type { Clock } from '../clock.ts'
import type { Courier } from './courier.ts'
import { createServerClock } from './server-clock.ts'

export interface PulseDeps {
  readonly clock: Clock
  readonly deadlineMs: number
  ask: Courier['ask']
  /** The server answered a probe in time. */
  onAlive(): void
  /** The server answered a probe or TIME with an error. */
  onError(what: 'PING' | 'TIME', error: unknown): void
  /** The server's time became known. */
  onTime(): void
}

/** Asks the server whether it lives, and what time it has. */
export interface Pulse {
  /** Whether the server's time is known well enough. */
  readonly known: boolean
  /** The server's clock, in microseconds, when ours shows `at`. */
  at(at: number): number
  /**
   * Sends one PING. At most one is out: on a hung connection a second one would only queue behind
   * it, and its late answer is the first sign that the server is back, asked at once for a second.
   */
  probe(): void
  /** Asks for the time unless that is under way. */
  learn(): void
  /** As {@link learn}, when what is known is old or rough. */
  refresh(): void
  /** What is known proved wrong: the next answer counts whatever its precision. */
  distrust(): void
  /** Forgets everything: the connection is another one. */
  forget(): void
}

/** An answer that took longer than this is asked for again at once: a busy start makes it rough. */
const ROUGH_MS = 5
/** So many times at most; a long way makes every answer rough. */
const TRIES = 5

export function createPulse(deps: PulseDeps): Pulse {
  const { clock } = deps
  const server = createServerClock(clock)
  let probing = false
  let asking = false
  let known = false

  function probe(): void {
    if (probing) return
    probing = true
    const askedAt = clock.now()
    deps.ask('ping', (_reply, error) => {
      probing = false
      if (error !== undefined) deps.onError('PING', error)
      else if (clock.now() - askedAt > deps.deadlineMs) probe()
      else deps.onAlive()
    })
  }

  function learn(triesLeft = TRIES): void {
    if (asking) return
    asking = true
    const askedAt = clock.now()
    deps.ask('time', (reply, error) => {
      asking = false
      if (error !== undefined) {
        deps.onError('TIME', error)
        return
      }
      const answeredAt = clock.now()
      const took = answeredAt - askedAt
      server.learn(reply, askedAt, answeredAt)
      // An estimate lags by up to what the answer took, and shortens every deadline by as much: a
      // very rough first one is not built on before a second.
      known ||= server.known && (took <= deps.deadlineMs / 4 || triesLeft < TRIES)
      if (known) deps.onTime()
      if (triesLeft > 1 && took > ROUGH_MS) learn(triesLeft - 1)
    })
  }

  return {
    get known() {
      return known
    },
    at: (at) => server.at(at),
    probe,
    learn: () => learn(),
    refresh() {
      if (server.stale) learn()
    },
    distrust: () => server.distrust(),
    forget() {
      probing = asking = known = false
      server.forget()
    },
  }
}
