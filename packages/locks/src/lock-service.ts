import { randomUUID } from 'node:crypto'
import { type Connection, isCorralError } from '@corral/connection'
import type { Engine, Grant, Snapshot } from './engine/engine.ts'
import { isGrant } from './engine/engine.ts'
import { closed as closedError, lockTimeout } from './errors.ts'
import { createHeldLock, type Lock } from './lock/lock.ts'
import { validUntil } from './lock/validity.ts'
import type { ResolvedAcquire } from './options.ts'
import { traceChannel } from './trace.ts'
import { createHandOverGuard } from './waiting/guard.ts'
import { createJournal } from './waiting/journal.ts'
import { createLine, type Line, type Places } from './waiting/line.ts'
import { createMailbox } from './waiting/mailbox.ts'

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
  readonly namespace: string
  acquire(engine: Engine, places: Places, options: ResolvedAcquire): Promise<Lock>
  /** Undefined when others hold it. */
  tryAcquire(engine: Engine, options: ResolvedAcquire): Promise<Lock | undefined>
  /** Releases by token, or whoever holds it when the token is empty. */
  release(engine: Engine, token: string): Promise<boolean>
  inspect(engine: Engine): Promise<Snapshot>
  stats(): LocksStats
  close(): Promise<void>
}

const acquiredTrace = traceChannel('corral:locks:acquired')
const refusedTrace = traceChannel('corral:locks:refused')

/** How long `close` lets releases that are under way end. */
const CLOSE_MS = 1_000

export function createLockService(connection: Connection, namespace: string): LockService {
  const { clock } = connection
  const guard = createHandOverGuard()
  const mailbox = createMailbox(connection)
  const journal = createJournal(connection, (engine, token, until) => guard.watch(engine, token, until))
  const lines = new Map<string, Line>()
  const held = new Map<string, Lock>()
  let isClosed = false

  function lineOf(engine: Engine, places: Places): Line {
    const id = lineId(engine, places)
    const known = lines.get(id)
    if (known !== undefined) return known
    const line = createLine({
      engine,
      places,
      connection,
      mailbox,
      journal,
      guard,
      onEmpty: (empty) => {
        if (lines.get(id) === empty) lines.delete(id)
      },
    })
    lines.set(id, line)
    return line
  }

  /** A line that has somebody to pass the lock on to. */
  function waitingLine(engine: Engine): Line | undefined {
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

  function handOut(engine: Engine, grant: Grant, options: ResolvedAcquire, startedAt: number): Lock {
    const lock = createHeldLock({
      engine,
      namespace,
      grant,
      autoExtend: options.autoExtend,
      goOnExtending: options.goOnExtending,
      release: (token) => release(engine, token),
      abandon: (token, forMs) => journal.add(engine, token, forMs),
      onEnd: (ended) => void held.delete(ended.token),
    })
    held.set(lock.token, lock)
    if (acquiredTrace.hasSubscribers) {
      const { name, kind } = engine
      const waited = clock.now() - startedAt
      acquiredTrace.publish({ namespace, name, kind, waited, fencingToken: grant.fence })
    }
    return lock
  }

  function refused(engine: Engine, startedAt: number, error: unknown): void {
    if (!refusedTrace.hasSubscribers) return
    const code = isCorralError(error) ? error.code : 'ABORTED'
    const { name, kind } = engine
    refusedTrace.publish({ namespace, name, kind, waited: clock.now() - startedAt, code })
  }

  /** One question to Redis, without waiting in line. */
  async function attemptOnce(engine: Engine, ttlMs: number): Promise<Grant | undefined> {
    const token = randomUUID()
    try {
      const reply = await engine.attempt({ token, ttlMs, entry: '', again: false })
      if (isGrant(reply)) {
        if (clock.now() < validUntil(reply.sentAt, ttlMs)) return reply
        journal.add(engine, token, ttlMs)
        throw lockTimeout(engine.what, 0, 'late')
      }
      if (reply.handedUntil !== '') guard.watch(engine, reply.holder, reply.handedUntil)
      return undefined
    } catch (error) {
      // It may have been done all the same.
      if (isCorralError(error, 'REDIS_UNAVAILABLE')) journal.add(engine, token, ttlMs)
      throw error
    }
  }

  return {
    namespace,
    async acquire(engine, places, options) {
      const startedAt = clock.now()
      const { ttlMs, waitMs, signal } = options
      try {
        if (isClosed) throw closedError()
        signal?.throwIfAborted()
        const grant =
          waitMs === 0 ? await attemptOnce(engine, ttlMs) : await lineOf(engine, places).acquire(options)
        if (grant === undefined) throw lockTimeout(engine.what, waitMs, 'held')
        return handOut(engine, grant, options, startedAt)
      } catch (error) {
        refused(engine, startedAt, error)
        throw error
      }
    },
    async tryAcquire(engine, options) {
      const startedAt = clock.now()
      if (isClosed) throw closedError()
      options.signal?.throwIfAborted()
      const grant = await attemptOnce(engine, options.ttlMs)
      return grant === undefined ? undefined : handOut(engine, grant, options, startedAt)
    },
    async release(engine, token) {
      if (isClosed) throw closedError()
      const ours = held.get(token)
      if (ours === undefined || token === '') return release(engine, token)
      try {
        await ours.release()
        return true
      } catch (error) {
        if (isCorralError(error, 'LOCK_LOST')) return false
        throw error
      }
    },
    inspect: (engine) => engine.inspect(),
    stats() {
      let waiting = 0
      for (const line of lines.values()) waiting += line.waiting
      return { held: held.size, waiting, unreleased: journal.size }
    },
    async close() {
      if (isClosed) return
      isClosed = true
      for (const line of lines.values()) line.close(closedError())
      await journal.drained(CLOSE_MS)
      guard.close()
      mailbox.close()
      journal.close()
    },
  }
}

function lineId(engine: Engine, places: Places): string {
  return `${places} ${engine.mode} ${engine.key}`
}

