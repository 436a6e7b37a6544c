import { randomUUID } from 'node:crypto'
import { type Connection, isCorralError, type TimerHandle } from '@corral/connection'
import type { Engine } from '../engine/engine.ts'
import {
  type Attempted,
  type Busy,
  type Grant,
  isGrant,
  type ReleaseRequest,
} from '../engine/replies.ts'
import { validUntil } from '../lock/validity.ts'
import type { ResolvedAcquire } from '../options.ts'
import type { HandOverGuard } from './guard.ts'
import type { Journal } from './journal.ts'
import { lookDelay } from './look-delay.ts'
import type { Mailbox } from './mailbox.ts'
import type { Pending } from './pending.ts'
import { type Asked, createTicket, entryOf, type Ticket } from './ticket.ts'
import { createWaiter, type Waiter } from './waiter.ts'

/**
 * - `own`: each waiter has its own place in Redis, so that order holds across processes
 * - `shared`: the waiters of this process stand in a line of their own, one place in Redis for all
 */
export type Places = 'own' | 'shared'

export interface LineDeps {
  readonly engine: Engine
  readonly places: Places
  readonly connection: Connection
  readonly mailbox: Mailbox
  readonly journal: Journal
  readonly guard: HandOverGuard
  readonly pending: Pending
  /** Whether somebody of this process asks Redis just now, whom those who come stand behind. */
  asking(): boolean
  onEmpty(line: Line): void
}

/** Those in this process who want one lock. */
export interface Line {
  readonly engine: Engine
  readonly waiting: number
  /**
   * @param startedAt when the caller came
   * @param asked what was asked for him already
   */
  acquire(options: ResolvedAcquire, startedAt: number, asked?: Asked): Promise<Grant>
  /** Called when nobody asks any more: who stands behind asks next. */
  proceed(): void
  /** Gives a hold back, at once to the next waiter of this process where that is fair. */
  release(token: string): Promise<boolean>
  close(error: unknown): void
}

/** So many hand-overs in a row stay in the process before another one has its turn. */
const MOST_PASSES = 8

export function createLine(deps: LineDeps): Line {
  const { engine, places, mailbox, journal, guard, pending, connection } = deps
  const { clock } = connection
  const waiters: Waiter[] = []
  const tickets = new Map<string, Ticket>()
  let passes = 0
  let passing = false
  let timer: TimerHandle | undefined
  let lookAt = Infinity
  let lastLookAt = -Infinity
  const stopListening = mailbox.onChange(() => {
    for (const ticket of tickets.values()) if (ticket.known) void ask(ticket)
  })

  // ---- tickets ----------------------------------------------------------------------------------

  function open(waiter: Waiter, known = false, asked?: Asked): void {
    const ticket = createTicket(waiter, places === 'own', known, asked)
    tickets.set(ticket.token, ticket)
    mailbox.expect(ticket.token, () => void claim(ticket))
    void (asked === undefined ? ask(ticket) : wait(ticket, asked.busy))
  }

  function drop(ticket: Ticket): void {
    ticket.over = true
    tickets.delete(ticket.token)
    mailbox.forget(ticket.token)
  }

  /** Nobody wants it any more. */
  function cancel(ticket: Ticket): void {
    drop(ticket)
    if (ticket.queued && !ticket.asking) forsake(ticket)
  }

  /** Out of the line, and back if it was got meanwhile. */
  function forsake({ token, ttlMs, channel }: Ticket): void {
    journal.add(engine, token, ttlMs, entryOf(token, channel, ttlMs, engine))
  }

  /** Somebody who waits must have a ticket that will serve him. */
  function ensureTicket(): void {
    const [first] = waiters
    if (
      first !== undefined &&
      places === 'shared' &&
      tickets.size === 0 &&
      !passing &&
      !deps.asking()
    ) {
      open(first, true)
    }
    settleIfEmpty()
  }

  function settleIfEmpty(): void {
    if (waiters.length > 0 || passing) return
    for (const ticket of tickets.values()) if (!ticket.asking) cancel(ticket)
    if (tickets.size > 0) return
    stopTimer()
    stopListening()
    deps.onEmpty(line)
  }

  // ---- asking Redis -----------------------------------------------------------------------------

  async function ask(ticket: Ticket): Promise<void> {
    if (ticket.asking || ticket.over) return
    const { address } = mailbox
    if (ticket.channel === '' && address !== undefined) ticket.channel = address
    const { token, ttlMs, channel, queued } = ticket
    ticket.asking = true
    ticket.queued ||= channel !== ''
    pending.begin()
    let reply: Attempted
    try {
      reply = await engine.attempt({ token, ttlMs, channel, again: queued })
    } catch (error) {
      ticket.asking = false
      return failed(ticket, error)
    } finally {
      pending.end()
    }
    ticket.asking = ticket.unsure = false
    if (isGrant(reply)) give(reply, ticket)
    else await wait(ticket, reply)
  }

  /** The lock is not free. */
  async function wait(ticket: Ticket, busy: Busy): Promise<void> {
    if (busy.handedUntil !== '') guard.watch(engine, busy.holder, busy.handedUntil)
    const first = !ticket.known
    ticket.known = true
    if (ticket.over) return forsake(ticket)
    for (const waiter of waiters) waiter.note(undefined)
    if (first) for (const waiter of ticket.waiter ? [ticket.waiter] : waiters) waiter.arm()
    if (waiters.length === 0) return settleIfEmpty()
    if (!ticket.queued) {
      await mailbox.open()
      return ask(ticket)
    }
    schedule(lookDelay(busy, delayMs(), allHear(), clock.now() - lastLookAt))
    // The message of a hand-over may have been lost.
    const served = ticket.called ? ticket : tickets.get(busy.holder)
    if (served !== undefined) void claim(served)
  }

  /** Whoever queued while nothing could be heard is told of no hand-over, also when signals are back. */
  function allHear(): boolean {
    if (!mailbox.hears) return false
    for (const { channel } of tickets.values()) if (channel === '-') return false
    return true
  }

  /** Takes what was handed over. */
  async function claim(ticket: Ticket): Promise<void> {
    ticket.called = true
    if (ticket.asking || ticket.over) return
    ticket.asking = true
    pending.begin()
    let grant: Grant | undefined
    try {
      grant = await engine.extend(ticket.token, ticket.ttlMs, true)
    } catch (error) {
      ticket.asking = false
      return failed(ticket, error)
    } finally {
      // What follows runs at once, before whoever waits for this end.
      pending.end()
    }
    ticket.asking = ticket.called = false
    if (grant !== undefined) give(grant, ticket)
    else if (ticket.over) forsake(ticket)
    else void ask(ticket)
  }

  function failed(ticket: Ticket, error: unknown): void {
    const away = isCorralError(error, 'REDIS_UNAVAILABLE')
    if (ticket.over) return forsake(ticket)
    if (away && ticket.known) {
      for (const waiter of waiters) waiter.note(error)
      ticket.unsure = true
      return schedule(lookDelay(undefined, delayMs(), false, 0))
    }
    drop(ticket)
    // It may have been done all the same, or be held by too few replicas.
    forsake(ticket)
    const all = ticket.waiter === undefined ? waiters.splice(0) : remove(ticket.waiter)
    for (const waiter of all) waiter.fail(error)
    ensureTicket()
  }

  function delayMs(): number {
    return waiters[0]?.delayMs ?? 100
  }

  function remove(waiter: Waiter): Waiter[] {
    const at = waiters.indexOf(waiter)
    return at < 0 ? [] : waiters.splice(at, 1)
  }

  // ---- looking again ----------------------------------------------------------------------------

  function schedule(afterMs: number): void {
    const at = clock.now() + afterMs
    if (timer !== undefined && lookAt <= at) return
    stopTimer()
    lookAt = at
    timer = clock.setTimer(look, afterMs)
  }

  function stopTimer(): void {
    if (timer !== undefined) clock.clearTimer(timer)
    timer = undefined
  }

  function look(): void {
    timer = undefined
    lastLookAt = clock.now()
    const [first] = tickets.values()
    for (const ticket of tickets.values()) {
      // The first one learns who holds it, which may be another one of them.
      if (ticket === first || ticket.unsure || !engine.single) void ask(ticket)
    }
  }

  // ---- serving ----------------------------------------------------------------------------------

  function give(grant: Grant, ticket: Ticket | undefined): void {
    const over = ticket?.over === true
    if (ticket !== undefined) drop(ticket)
    const waiter = ticket?.waiter ?? (places === 'shared' ? waiters[0] : undefined)
    if (over || waiter === undefined || waiter.settled) {
      journal.add(engine, grant.token, grant.ttlMs)
    } else if (clock.now() >= validUntil(grant.sentAt, grant.ttlMs)) {
      waiter.note('late')
      waiter.arm()
      journal.add(engine, grant.token, grant.ttlMs)
      if (places === 'own') open(waiter, true)
    } else {
      remove(waiter)
      // The line may have been asked for by somebody with another ttl.
      if (waiter.ttlMs === grant.ttlMs) waiter.grant(grant)
      else void refit(waiter, grant)
    }
    ensureTicket()
  }

  async function refit(waiter: Waiter, grant: Grant): Promise<void> {
    try {
      const fitted = await engine.extend(grant.token, waiter.ttlMs, false)
      if (fitted !== undefined && !waiter.settled) {
        if (clock.now() < validUntil(fitted.sentAt, fitted.ttlMs)) return waiter.grant(fitted)
        waiter.note('late')
        waiter.arm()
      }
    } catch (error) {
      waiter.fail(error)
    }
    journal.add(engine, grant.token, Math.max(grant.ttlMs, waiter.ttlMs))
    if (waiter.settled) return
    waiters.unshift(waiter)
    ensureTicket()
  }

  async function release(token: string): Promise<boolean> {
    // Whoever asks just now came first: Redis has him, or serves him next.
    const [next] = deps.asking() ? [] : waiters
    const pass = next !== undefined && engine.passes && places === 'shared' ? next : undefined
    const passToken = pass === undefined ? '' : randomUUID()
    const request: ReleaseRequest = {
      token,
      ...(pass !== undefined && {
        pass: { token: passToken, ttlMs: pass.ttlMs, first: passes < MOST_PASSES },
      }),
      ...(engine.passes &&
        next !== undefined &&
        tickets.size > 0 &&
        mailbox.hears && { own: mailbox.address ?? '' }),
    }
    passing = pass !== undefined || passing
    try {
      const reply = await engine.release(request)
      passing = false
      if (reply.kind === 'passed') {
        const { grant } = reply
        passes = grant.token === passToken ? passes + 1 : 0
        const ticket = tickets.get(grant.token)
        if (grant.token === passToken || ticket?.asking === false) give(grant, ticket)
        // Its own request is out, or not even in this line yet: it hears of this as of any hand-over.
        else mailbox.hear(grant.token)
      } else if (reply.kind === 'handed') {
        passes = 0
        guard.watch(engine, reply.token, reply.until)
      }
      return reply.kind !== 'not-held'
    } catch (error) {
      passing = false
      if (pass !== undefined) journal.add(engine, passToken, pass.ttlMs)
      throw error
    } finally {
      ensureTicket()
    }
  }

  function left(waiter: Waiter): void {
    remove(waiter)
    for (const ticket of tickets.values()) if (ticket.waiter === waiter) cancel(ticket)
    settleIfEmpty()
  }

  const line: Line = {
    engine,
    get waiting() {
      return waiters.length
    },
    acquire(options, startedAt, asked) {
      return new Promise((resolve, reject) => {
        const waiter = createWaiter(engine.what, clock, options, startedAt, resolve, reject, left)
        if (asked !== undefined) {
          // He came before those who stood behind him while he asked.
          waiters.unshift(waiter)
          waiter.arm()
          return open(waiter, true, asked)
        }
        waiters.push(waiter)
        if (places === 'own' || (tickets.size === 0 && !passing && !deps.asking())) open(waiter)
        else waiter.arm()
      })
    },
    proceed() {
      const [first] = waiters
      if (first !== undefined && tickets.size === 0 && !passing) open(first)
    },
    release,
    close(error) {
      for (const waiter of waiters.splice(0)) waiter.fail(error)
      settleIfEmpty()
    },
  }
  return line
}
