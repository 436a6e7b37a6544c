import { type Connection, isCorralError, type TimerHandle } from '@corral/connection'
import type { Engine } from '../engine/engine.ts'

/** Gives back in the background what could not be given back, or may have been got unknown to us. */
export interface Journal {
  /**
   * Releases `token`, and takes `entry` out of the line, as soon as Redis answers; forgotten after
   * `forMs`, when Redis has let go of it by itself.
   */
  add(engine: Engine, token: string, forMs: number, entry?: string): void
  readonly size: number
  /** Resolves when nothing is left to be given back, or after `timeoutMs`. */
  drained(timeoutMs: number): Promise<void>
  close(): void
}

interface Debt {
  readonly engine: Engine
  readonly token: string
  readonly entry: string
  readonly until: number
}

const MOST = 10_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

/**
 * @param onHanded told when a release handed a lock to a waiter elsewhere
 */
export function createJournal(
  connection: Connection,
  onHanded: (engine: Engine, token: string, until: string) => void,
): Journal {
  const { clock } = connection
  const debts = new Map<string, Debt>()
  const idle = new Set<() => void>()
  let timer: TimerHandle | undefined
  let pauseMs = FIRST_PAUSE_MS
  let closed = false
  let stopListening: (() => void) | undefined

  function settle(debt: Debt): void {
    if (debts.get(debt.token) === debt) debts.delete(debt.token)
    if (debts.size > 0) return
    pauseMs = FIRST_PAUSE_MS
    for (const resolve of idle) resolve()
    idle.clear()
  }

  async function pay(debt: Debt): Promise<void> {
    if (clock.now() >= debt.until) return settle(debt)
    try {
      const reply = await debt.engine.release({ token: debt.token, entry: debt.entry })
      settle(debt)
      if (reply.kind === 'handed') onHanded(debt.engine, reply.token, reply.until)
    } catch (error) {
      // Anything else than "away" would be refused for ever.
      if (isCorralError(error, 'REDIS_UNAVAILABLE')) retryLater()
      else settle(debt)
    }
  }

  function payAll(): void {
    if (timer !== undefined) clock.clearTimer(timer)
    timer = undefined
    for (const debt of debts.values()) void pay(debt)
  }

  function retryLater(): void {
    if (closed || timer !== undefined) return
    timer = clock.setTimer(payAll, pauseMs, { unref: true })
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }

  return {
    add(engine, token, forMs, entry = '') {
      if (closed) return
      if (debts.size >= MOST) {
        const [oldest] = debts.values()
        if (oldest !== undefined) settle(oldest)
      }
      const debt = { engine, token, entry, until: clock.now() + forMs }
      debts.set(token, debt)
      stopListening ??= connection.onAvailability((available) => {
        if (available && debts.size > 0) payAll()
      })
      void pay(debt)
    },
    get size() {
      return debts.size
    },
    drained(timeoutMs) {
      if (debts.size === 0) return Promise.resolve()
      return new Promise((resolve) => {
        const done = (): void => {
          clock.clearTimer(late)
          resolve()
        }
        const late = clock.setTimer(resolve, timeoutMs, { unref: true })
        idle.add(done)
      })
    },
    close() {
      closed = true
      stopListening?.()
      if (timer !== undefined) clock.clearTimer(timer)
      debts.clear()
    },
  }
}
