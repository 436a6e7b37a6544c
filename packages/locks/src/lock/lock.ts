import {
  type CorralError,
  type Duration,
  isCorralError,
  type TimerHandle,
} from '@corral/connection'
import type { Engine } from '../engine/engine.ts'
import type { Grant } from '../engine/replies.ts'
import { lockLost, type LossReason } from '../errors.ts'
import { resolveTtl } from '../options.ts'
import { type Origin, traceChannel } from '../trace.ts'
import { validUntil } from './validity.ts'

/** A lock that this process holds, until it is released, lost or runs out. */
export interface Lock extends AsyncDisposable {
  readonly name: string
  /** Proves who holds it; needed to release it by name from elsewhere. */
  readonly token: string
  /**
   * Grows with each hold of this lock. Give it to what the lock protects, and let that refuse what
   * comes with a smaller one: see docs/concepts/locks.md.
   */
  readonly fencingToken: number
  /** Whether it is held, as far as this process can know. */
  readonly held: boolean
  /** When it runs out here unless extended, in epoch ms: a margin earlier than in Redis. */
  readonly expiresAt: number
  /** Aborted, with a `LOCK_LOST` error, before the lock can have run out in Redis. */
  readonly signal: AbortSignal
  /**
   * Holds it for `ttl` from now on, by default as long as it was asked for.
   *
   * @throws CorralError LOCK_LOST when it is not held any more; REDIS_UNAVAILABLE when Redis did not
   * acknowledge: it then ends when it would have ended anyway, or after a shorter `ttl`
   */
  extend(ttl?: Duration): Promise<void>
  /**
   * Gives it back. Later calls return the first one's promise.
   *
   * @throws CorralError LOCK_LOST when it was lost before; REDIS_UNAVAILABLE when Redis did not
   * acknowledge: it is then given back in the background, or runs out
   */
  release(): Promise<void>
  /** {@link release} that never rejects, so that it masks no error of the block. */
  [Symbol.asyncDispose](): Promise<void>
}

/** What all locks of a namespace need from outside. */
export interface LockHost {
  readonly origin: Origin
  /** Gives it back; false when it was not held. */
  release(engine: Engine, token: string): Promise<boolean>
  /** Gives it back in the background; `forMs` is how long Redis may still hold it. */
  abandon(engine: Engine, token: string, forMs: number): void
  ended(token: string): void
}

interface Extending {
  readonly on: boolean
  /** Asked before each extension; false ends them. */
  readonly goOn: (() => boolean) | undefined
}

/** A hold. Functions of the module work on it. */
interface Hold {
  readonly host: LockHost
  readonly engine: Engine
  readonly grant: Grant
  readonly extending: Extending
  ttlMs: number
  /** The longest ttl that Redis may have been told, acknowledged or not. */
  longestMs: number
  until: number
  /** How many extensions have been sent. */
  sent: number
  lost: CorralError<'LOCK_LOST'> | undefined
  releasing: Promise<void> | undefined
  controller: AbortController | undefined
  lossTimer: TimerHandle | undefined
  extendTimer: TimerHandle | undefined
}

/** Part of the ttl after which it is extended. */
const EXTEND_AT = 1 / 3
/** Part of the ttl after which a failed extension is tried again. */
const RETRY_AT = 1 / 12

const lostTrace = traceChannel('corral:locks:lost')
const releasedTrace = traceChannel('corral:locks:released')

/** The handle of a hold: knows by the monotonic clock until when it is good. */
export function createHeldLock(
  host: LockHost,
  engine: Engine,
  grant: Grant,
  extending: Extending,
): Lock {
  const hold: Hold = {
    host,
    engine,
    grant,
    extending,
    ttlMs: grant.ttlMs,
    longestMs: grant.ttlMs,
    until: validUntil(grant.sentAt, grant.ttlMs),
    sent: 0,
    lost: undefined,
    releasing: undefined,
    controller: undefined,
    lossTimer: undefined,
    extendTimer: undefined,
  }
  if (extending.on) {
    extendLater(hold, hold.ttlMs * EXTEND_AT)
    watchEnd(hold)
  }
  return new HeldLock(hold)
}

/** A class, as an object literal with getters takes V8 longer than asking Redis takes us. */
class HeldLock implements Lock {
  readonly name: string
  readonly token: string
  readonly fencingToken: number
  readonly #hold: Hold
  // Of its own, as some pass it on without the lock: `.finally(lock.release)`.
  readonly release: () => Promise<void>

  constructor(hold: Hold) {
    const { engine, grant } = hold
    this.name = engine.name
    this.token = grant.token
    this.fencingToken = grant.fence
    this.#hold = hold
    this.release = () => release(hold)
  }

  get held(): boolean {
    return this.#hold.releasing === undefined && lossOf(this.#hold) === undefined
  }

  get expiresAt(): number {
    const { engine, until } = this.#hold
    return engine.clock.wallNow() + (until - engine.clock.now())
  }

  get signal(): AbortSignal {
    return signalOf(this.#hold)
  }

  async extend(ttl?: Duration): Promise<void> {
    await extend(this.#hold, ttl === undefined ? this.#hold.ttlMs : resolveTtl(ttl))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await release(this.#hold).catch(() => undefined)
  }
}

function signalOf(hold: Hold): AbortSignal {
  if (hold.controller === undefined) {
    hold.controller = new AbortController()
    const gone = lossOf(hold)
    if (gone !== undefined) hold.controller.abort(gone)
    else if (hold.releasing === undefined) watchEnd(hold)
  }
  return hold.controller.signal
}

// ---- losing it ----------------------------------------------------------------------------------

function end(hold: Hold): void {
  const { clock } = hold.engine
  if (hold.lossTimer !== undefined) clock.clearTimer(hold.lossTimer)
  if (hold.extendTimer !== undefined) clock.clearTimer(hold.extendTimer)
  hold.lossTimer = hold.extendTimer = undefined
  hold.host.ended(hold.grant.token)
}

function lose(hold: Hold, reason: LossReason): CorralError<'LOCK_LOST'> {
  if (hold.lost !== undefined) return hold.lost
  const { name, kind } = hold.engine
  const lost = lockLost(hold.engine.what, reason)
  hold.lost = lost
  end(hold)
  if (lostTrace.hasSubscribers) {
    lostTrace.publish({ ...hold.host.origin, name, kind, reason })
  }
  hold.controller?.abort(lost)
  return lost
}

/** The error of a lock that ran out, told from the clock: a timer may not have fired yet. */
function lossOf(hold: Hold): CorralError<'LOCK_LOST'> | undefined {
  if (hold.lost !== undefined || hold.releasing !== undefined) return hold.lost
  return hold.engine.clock.now() >= hold.until ? lose(hold, 'expired') : undefined
}

function watchEnd(hold: Hold): void {
  const { clock } = hold.engine
  if (hold.lossTimer !== undefined) clock.clearTimer(hold.lossTimer)
  // A timer may fire a little early; then the rest is waited for.
  const onTime = (): void => void (lossOf(hold) ?? watchEnd(hold))
  hold.lossTimer = clock.setTimer(onTime, Math.max(0, hold.until - clock.now()), { unref: true })
}

// ---- extending ----------------------------------------------------------------------------------

function extendLater(hold: Hold, afterMs: number): void {
  const { clock } = hold.engine
  if (hold.extendTimer !== undefined) clock.clearTimer(hold.extendTimer)
  const onTime = (): void => {
    hold.extendTimer = undefined
    if (hold.extending.goOn?.() === false) return
    extend(hold, hold.ttlMs).catch((error: unknown) => {
      // Lost is lost; anything else may be over before the lock is.
      if (isCorralError(error, 'LOCK_LOST') || hold.releasing !== undefined) return
      extendLater(hold, hold.ttlMs * RETRY_AT)
    })
  }
  hold.extendTimer = clock.setTimer(onTime, afterMs, { unref: true })
}

function endBy(hold: Hold, until: number): void {
  if (until === hold.until) return
  hold.until = until
  if (hold.lossTimer !== undefined) watchEnd(hold)
}

async function extend(hold: Hold, ttlMs: number): Promise<void> {
  const { engine, grant } = hold
  const gone = lossOf(hold)
  if (gone !== undefined) throw gone
  if (hold.releasing !== undefined) throw lockLost(engine.what, 'taken')
  const number = ++hold.sent
  hold.longestMs = Math.max(hold.longestMs, ttlMs)
  // It may be done though its reply is lost: a shorter ttl counts from when it is sent.
  endBy(hold, Math.min(hold.until, validUntil(engine.clock.now(), ttlMs)))
  if (hold.extendTimer !== undefined && ttlMs < hold.ttlMs) extendLater(hold, ttlMs * EXTEND_AT)
  const extended = await engine.extend(grant.token, ttlMs, false)
  if (extended === undefined) {
    throw hold.releasing === undefined ? lose(hold, 'taken') : lockLost(engine.what, 'taken')
  }
  if (hold.lost !== undefined) {
    // Told as lost already while Redis was slow: nobody may go on with it.
    hold.host.abandon(engine, grant.token, hold.longestMs)
    throw hold.lost
  }
  hold.ttlMs = ttlMs
  // One that was sent after this may have shortened it.
  const until = validUntil(extended.sentAt, ttlMs)
  endBy(hold, number === hold.sent ? until : Math.min(hold.until, until))
  const late = lossOf(hold)
  if (late !== undefined) throw late
  if (hold.extending.on && hold.releasing === undefined) extendLater(hold, ttlMs * EXTEND_AT)
}

// ---- giving it back -----------------------------------------------------------------------------

function release(hold: Hold): Promise<void> {
  if (hold.releasing === undefined) {
    // Judged before `releasing` is set: a lock that ran out was lost, not given back.
    const gone = lossOf(hold)
    hold.releasing = giveBack(hold, gone)
    end(hold)
  }
  return hold.releasing
}

async function giveBack(hold: Hold, gone: CorralError<'LOCK_LOST'> | undefined): Promise<void> {
  const { host, engine, grant } = hold
  let acknowledged = false
  try {
    acknowledged = await host.release(engine, grant.token)
  } catch (error) {
    host.abandon(engine, grant.token, hold.longestMs)
    if (gone === undefined) throw error
  } finally {
    if (releasedTrace.hasSubscribers) {
      const { name, kind, clock } = engine
      const held = clock.now() - grant.sentAt
      releasedTrace.publish({ ...host.origin, name, kind, held, acknowledged })
    }
  }
  if (gone !== undefined) throw gone
  // Ran out on the way: it was held when it was given back, and is free now.
  if (!acknowledged && engine.clock.now() < hold.until) throw lose(hold, 'taken')
}
