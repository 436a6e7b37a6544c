import { randomUUID } from 'node:crypto'
import { type Connection, isCorralError } from '@corral/connection'
import type { Engine } from './engine/engine.ts'
import { type Grant, isGrant } from './engine/replies.ts'
import { closed as closedError, lockTimeout } from './errors.ts'
import { createHeldLock, type Lock, type LockHost } from './lock/lock.ts'
import { validUntil } from './lock/validity.ts'
import type { ResolvedAcquire } from './options.ts'
import { type Origin, traceChannel } from './trace.ts'
import { createHandOverGuard } from './waiting/guard.ts'
import { createJournal } from './waiting/journal.ts'
import { createLine, type Line, type Places } from './waiting/line.ts'
import { createMailbox } from './waiting/mailbox.ts'
import { createPending } from './waiting/pending.ts'
import { type Asked, entryOf } from './waiting/ticket.ts'

/** What a caller holds, waits for, or is still to give back. */
export interface LocksStats {
  /** Locks that this process holds through here. */
  readonly held: number
  /** Calls that wait for one. */
  readonly waiting: number
  /** Releases that Redis has not acknowledged yet. */
  readonly unreleased: number
}

/** Does for every kind of lock what does not depend on the kind. */
export interface LockService {
  readonly origin: Origin
  acquire(engine: Engine, places: Places, options: ResolvedAcquire): Promise<Lock>
  /** Undefined when others hold it. */
  tryAcquire(engine: Engine, options: ResolvedAcquire): Promise<Lock | undefined>
  /** Releases by token, or whoever holds it when the token is empty. */
  release(engine: Engine, token: string): Promise<boolean>
  stats(): LocksStats
  close(): Promise<void>
}

const acquiredTrace = traceChannel('corral:locks:acquired')
const refusedTrace = traceChannel('corral:locks:refused')

const NEVER = { on: false, goOn: undefined } as const

/** How long `close` lets requests, and then releases, that are under way end. */
const CLOSE_MS = 1_000

/** From so many handles on, those that nobody reads any more are looked for. */
const SWEEP_FROM = 1_000

export function createLockService(connection: Connection, origin: Origin): LockService {
  const { clock } = connection
  const guard = createHandOverGuard()
  const pending = createPending(clock)
  const mailbox = createMailbox(connection)
  const journal = createJournal(connection, (engine, token, until) =>
    guard.watch(engine, token, until),
  )
  const lines = new Map<string, Line>()
  const held = new Map<string, { readonly key: string; readonly lock: Lock }>()
  const asking = new Set<string>()
  let sweepAt = SWEEP_FROM
  let isClosed = false

  function lineOf(id: string, engine: Engine, places: Places): Line {
    const known = lines.get(id)
    if (known !== undefined) return known
    const line = createLine({
      engine,
      places,
      connection,
      mailbox,
      journal,
      guard,
      pending,
      asking: () => asking.has(id),
      onEmpty: (empty) => {
        if (lines.get(id) === empty) lines.delete(id)
      },
    })
    lines.set(id, line)
    return line
  }

  /** A line that has somebody to pass the lock on to. */
  function waitingLine(engine: Engine): Line | undefined {
    if (lines.size === 0) return undefined
    const shared = lines.get(lineId(engine, 'shared'))
    return shared ?? lines.get(lineId(engine, 'own'))
  }

  async function release(engine: Engine, token: string): Promise<boolean> {
    const line = token === '' ? undefined : waitingLine(engine)
    if (line !== undefined) return line.release(token)
    const reply = await engine.release({ token })
    if (reply.kind === 'handed') guard.watch(engine, reply.token, reply.until)
    return reply.kind !== 'not-held'
  }

  const host: LockHost = {
    origin,
    release,
    abandon: (engine, token, forMs) => journal.add(engine, token, forMs),
    ended: (token) => void held.delete(token),
  }

  /** Forgets what ran out: a lock that nobody watches or extends has no timer that would tell. */
  function sweep(): void {
    // To read it is to end it, which takes it out.
    for (const { lock } of held.values()) void lock.held
    sweepAt = Math.max(SWEEP_FROM, 2 * held.size)
  }

  function handOut(
    engine: Engine,
    grant: Grant,
    options: ResolvedAcquire,
    startedAt: number,
  ): Lock {
    if (isClosed) {
      journal.add(engine, grant.token, grant.ttlMs)
      throw closedError()
    }
    const extending = options.autoExtend ? { on: true, goOn: options.goOnExtending } : NEVER
    const lock = createHeldLock(host, engine, grant, extending)
    if (held.size >= sweepAt) sweep()
    held.set(grant.token, { key: engine.key, lock })
    if (acquiredTrace.hasSubscribers) {
      const { name, kind } = engine
      const waited = clock.now() - startedAt
      acquiredTrace.publish({ ...origin, name, kind, waited, fencingToken: grant.fence })
    }
    return lock
  }

  function refused(engine: Engine, startedAt: number, error: unknown): void {
    if (!refusedTrace.hasSubscribers) return
    const code = isCorralError(error) ? error.code : 'ABORTED'
    const { name, kind } = engine
    refusedTrace.publish({ ...origin, name, kind, waited: clock.now() - startedAt, code })
  }

  /**
   * One question to Redis. Whoever finds the lock free needs no more, and no line.
   *
   * @param channel where it waits in line when it is not free; empty: it does not
   */
  async function attempt(
    engine: Engine,
    { ttlMs, signal }: ResolvedAcquire,
    channel: string,
  ): Promise<Grant | Asked | 'late'> {
    const token = randomUUID()
    try {
      const busy = await engine.attempt({ token, ttlMs, channel, again: false })
      if (isClosed) throw closedError()
      if (signal?.aborted === true) throw signal.reason
      if (!isGrant(busy)) {
        if (busy.handedUntil !== '') guard.watch(engine, busy.holder, busy.handedUntil)
        return { token, channel, busy }
      }
      if (clock.now() < validUntil(busy.sentAt, ttlMs)) return busy
      journal.add(engine, token, ttlMs)
      return 'late'
    } catch (error) {
      // It may have been done all the same, or be held by too few replicas.
      journal.add(engine, token, ttlMs, entryOf(token, channel, ttlMs, engine))
      throw error
    }
  }

  async function tryOnce(engine: Engine, options: ResolvedAcquire): Promise<Grant | undefined> {
    const reply = await attempt(engine, options, '')
    if (reply === 'late') throw lockTimeout(engine.what, 0, 'late')
    return 'fence' in reply ? reply : undefined
  }

  async function waitFor(
    engine: Engine,
    places: Places,
    options: ResolvedAcquire,
    startedAt: number,
  ): Promise<Grant> {
    const id = lineId(engine, places)
    // Of those in one process who come at once, one asks and the others stand behind.
    if (lines.has(id) || asking.has(id))
      return lineOf(id, engine, places).acquire(options, startedAt)
    if (places === 'shared') asking.add(id)
    try {
      const reply = await attempt(engine, options, mailbox.address ?? '')
      asking.delete(id)
      if (reply === 'late') return lineOf(id, engine, places).acquire(options, startedAt)
      if ('fence' in reply) return reply
      return lineOf(id, engine, places).acquire(options, startedAt, reply)
    } finally {
      asking.delete(id)
      if (lines.size > 0) lines.get(id)?.proceed()
    }
  }

  return {
    origin,
    async acquire(engine, places, options) {
      const startedAt = clock.now()
      const { waitMs, signal } = options
      pending.begin()
      try {
        if (isClosed) throw closedError()
        if (signal?.aborted === true) throw signal.reason
        const grant =
          waitMs === 0
            ? await tryOnce(engine, options)
            : await waitFor(engine, places, options, startedAt)
        if (grant === undefined) throw lockTimeout(engine.what, waitMs, 'held')
        return handOut(engine, grant, options, startedAt)
      } catch (error) {
        refused(engine, startedAt, error)
        throw error
      } finally {
        pending.end()
      }
    },
    async tryAcquire(engine, options) {
      const startedAt = clock.now()
      if (isClosed) throw closedError()
      if (options.signal?.aborted === true) throw options.signal.reason
      pending.begin()
      try {
        const grant = await tryOnce(engine, options)
        return grant === undefined ? undefined : handOut(engine, grant, options, startedAt)
      } finally {
        pending.end()
      }
    },
    async release(engine, token) {
      if (isClosed) throw closedError()
      const ours = held.get(token)
      if (ours?.key !== engine.key) return release(engine, token)
      try {
        await ours.lock.release()
        return true
      } catch (error) {
        if (isCorralError(error, 'LOCK_LOST')) return false
        throw error
      }
    },
    stats() {
      sweep()
      let waiting = 0
      for (const line of lines.values()) waiting += line.waiting
      return { held: held.size, waiting, unreleased: journal.size }
    },
    async close() {
      if (isClosed) return
      isClosed = true
      for (const line of lines.values()) line.close(closedError())
      await pending.done(CLOSE_MS)
      await journal.drained(CLOSE_MS)
      guard.close()
      mailbox.close()
      journal.close()
    },
  }
}

/** Those who stand in lines of the two sorts for one lock do not stand in one line. */
function lineId({ key, mode }: Engine, places: Places): string {
  return places === 'shared' ? key : `${mode} ${key}`
}
