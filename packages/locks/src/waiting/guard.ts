import type { TimerHandle } from '@corral/connection'
import type { Engine } from '../engine/engine.ts'
import { isGrant } from '../engine/replies.ts'
import { CLAIM_MS } from '../scripts/queue-lua.ts'

/**
 * Looks a second after a hand-over whether it was claimed, and passes it on if not: who was woken
 * may be stopped. One look per lock covers all hand-overs of that second.
 */
export interface HandOverGuard {
  watch(engine: Engine, token: string, until: string): void
  close(): void
}

interface Watched {
  engine: Engine
  token: string
  until: string
  since: number
  timer: TimerHandle
}

/** Time for a claim that was sent in its last moment. */
const GRACE_MS = 10

export function createHandOverGuard(): HandOverGuard {
  const watched = new Map<string, Watched>()

  function watch(engine: Engine, token: string, until: string): void {
    const { clock, key } = engine
    const known = watched.get(key)
    if (known !== undefined) {
      Object.assign(known, { engine, token, until, since: clock.now() })
      return
    }
    const entry: Watched = { engine, token, until, since: clock.now(), timer: arm(CLAIM_MS) }
    watched.set(key, entry)

    function arm(ms: number): TimerHandle {
      return clock.setTimer(look, ms + GRACE_MS, { unref: true })
    }

    function look(): void {
      const left = entry.since + CLAIM_MS - clock.now()
      if (left > 0) {
        entry.timer = arm(left)
        return
      }
      watched.delete(key)
      // If Redis is away now, the waiters find out by looking themselves.
      passOn(entry).catch(() => undefined)
    }
  }

  async function passOn({ engine, token, until }: Watched): Promise<void> {
    if (!(await engine.unclaimed(token, until))) return
    const request = { token: '', ttlMs: CLAIM_MS, channel: '', again: false }
    const reply = await engine.attempt(request)
    if (!isGrant(reply) && reply.handedUntil !== '') watch(engine, reply.holder, reply.handedUntil)
  }

  return {
    watch,
    close() {
      for (const { engine, timer } of watched.values()) engine.clock.clearTimer(timer)
      watched.clear()
    },
  }
}
