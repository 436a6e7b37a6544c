import type { CorralError, Duration, TimerHandle } from '@corral/connection'
import { isCorralError } from '@corral/connection'
import type { Engine, Grant } from '../engine/engine.ts'
import { lockLost, type LossReason } from '../errors.ts'
import { resolveTtl } from '../options.ts'
import { traceChannel } from '../trace.ts'
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
   * @throws CorralError LOCK_LOST when it is not held any more; REDIS_UNAVAILABLE leaves it as it was
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

export interface HeldLockDeps {
  readonly engine: Engine
  readonly namespace: string
  readonly grant: Grant
  readonly autoExtend: boolean
  /** Asked before each extension; false ends them. */
  readonly goOnExtending: (() => boolean) | undefined
  /** Gives it back; false when it was not held. */
  release(token: string): Promise<boolean>
  /** Gives it back in the background; `forMs` is how long Redis may still hold it. */
  abandon(token: string, forMs: number): void
  onEnd(lock: Lock): void
}

/** Part of the ttl after which it is extended. */
const EXTEND_AT = 1 / 3
/** Part of the ttl after which a failed extension is tried again. */
const RETRY_AT = 1 / 12

const lostTrace = traceChannel('corral:locks:lost')
const releasedTrace = traceChannel('corral:locks:released')

/** The handle of a hold: knows by the monotonic clock until when it is good. */
export function createHeldLock(deps: HeldLockDeps): Lock {
  const { engine, grant, namespace } = deps
  const { clock, name, kind, what } = engine
  const { token } = grant
  let { ttlMs } = grant
  let until = validUntil(grant.sentAt, ttlMs)
  let lost: CorralError<'LOCK_LOST'> | undefined
  let releasing: Promise<void> | undefined
  let controller: AbortController | undefined
  let lossTimer: TimerHandle | undefined
  let extendTimer: TimerHandle | undefined

  function end(): void {
    stop(lossTimer)
    stop(extendTimer)
    lossTimer = extendTimer = undefined
    deps.onEnd(lock)
  }

  function stop(timer: TimerHandle | undefined): void {
    if (timer !== undefined) clock.clearTimer(timer)
  }

  function lose(reason: LossReason): CorralError<'LOCK_LOST'> {
    if (lost !== undefined) return lost
    lost = lockLost(what, reason)
    end()
    if (lostTrace.hasSubscribers) lostTrace.publish({ namespace, name, kind, reason })
    controller?.abort(lost)
    return lost
  }

  /** The error of a lock that ran out, told from the clock: a timer may not have fired yet. */
  function loss(): CorralError<'LOCK_LOST'> | undefined {
    if (lost === undefined && releasing === undefined && clock.now() >= until) return lose('expired')
    return lost
  }

  function watchEnd(): void {
    stop(lossTimer)
    lossTimer = clock.setTimer(() => void (loss() ?? watchEnd()), Math.max(0, until - clock.now()), {
      unref: true,
    })
  }

  function keepExtending(afterMs: number): void {
    stop(extendTimer)
    extendTimer = clock.setTimer(
      () => {
        extendTimer = undefined
        if (deps.goOnExtending?.() === false) return
        extendTo(ttlMs).catch((error: unknown) => {
          // Lost is lost; anything else may be over before the lock is.
          if (lost === undefined && releasing === undefined && !isCorralError(error, 'LOCK_LOST')) {
            keepExtending(ttlMs * RETRY_AT)
          }
        })
      },
      afterMs,
      { unref: true },
    )
  }

  async function extendTo(nextMs: number): Promise<void> {
    const gone = loss()
    if (gone !== undefined) throw gone
    if (releasing !== undefined) throw lockLost(what, 'taken')
    const extended = await engine.extend(token, nextMs, false)
    if (extended === undefined) {
      if (releasing === undefined) throw lose('taken')
      throw lockLost(what, 'taken')
    }
    if (lost !== undefined) {
      // Told as lost already while Redis was slow: nobody may go on with it.
      deps.abandon(token, nextMs)
      throw lost
    }
    ttlMs = nextMs
    until = validUntil(extended.sentAt, nextMs)
    const late = loss()
    if (late !== undefined) throw late
    if (lossTimer !== undefined) watchEnd()
    if (deps.autoExtend && releasing === undefined) keepExtending(ttlMs * EXTEND_AT)
  }

  async function giveBack(): Promise<void> {
    const gone = loss()
    const heldMs = clock.now() - grant.sentAt
    let acknowledged = false
    try {
      acknowledged = await deps.release(token)
    } catch (error) {
      deps.abandon(token, ttlMs)
      if (gone === undefined) throw error
    } finally {
      if (releasedTrace.hasSubscribers) {
        releasedTrace.publish({ namespace, name, kind, held: heldMs, acknowledged })
      }
    }
    if (gone !== undefined) throw gone
    if (!acknowledged) {
      lost = lockLost(what, 'taken')
      if (lostTrace.hasSubscribers) lostTrace.publish({ namespace, name, kind, reason: 'taken' })
      controller?.abort(lost)
      throw lost
    }
  }

  const lock: Lock = {
    name,
    token,
    fencingToken: grant.fence,
    get held() {
      return releasing === undefined && loss() === undefined
    },
    get expiresAt() {
      return clock.wallNow() + (until - clock.now())
    },
    get signal() {
      if (controller === undefined) {
        controller = new AbortController()
        const gone = loss()
        if (gone !== undefined) controller.abort(gone)
        else if (releasing === undefined) watchEnd()
      }
      return controller.signal
    },
    async extend(ttl) {
      await extendTo(ttl === undefined ? ttlMs : resolveTtl(ttl))
    },
    release() {
      if (releasing === undefined) {
        // Told apart before `releasing` is set: a lock that ran out counts as lost, not as given back.
        const promise = giveBack()
        releasing = promise
        end()
      }
      return releasing
    },
    async [Symbol.asyncDispose]() {
      await lock.release().catch(() => undefined)
    },
  }
  if (deps.autoExtend) {
    keepExtending(ttlMs * EXTEND_AT)
    watchEnd()
  }
  return lock
}
