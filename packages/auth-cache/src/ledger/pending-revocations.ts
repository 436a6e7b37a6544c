import type { Connection, TimerHandle } from '@corral/connection'

/** Revocations that Redis has not acknowledged: they hold here, and are sent until they are. */
export interface PendingRevocations {
  readonly size: number
  has(key: string): boolean
  /** For {@link settle}: take it before sending. */
  moment(): number
  add(key: string, ttlMs: number): void
  /** A revocation of the key that was sent at `moment` was acknowledged, and makes up for those before. */
  settle(key: string, moment: number): void
  /** Sends all once more; true when nothing is left. */
  replay(): Promise<boolean>
  close(): Promise<void>
}

interface Waiting {
  readonly ttlMs: number
  readonly since: number
}

const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 2_000
/** Sent at once; the connection has bounds of its own, and others use it too. */
const AT_ONCE = 100

/**
 * @param all the key of everybody's revocation: stands in for the others once there are `most`
 * @param send resolves when the revocation of a key was acknowledged
 */
export function createPendingRevocations(
  connection: Connection,
  all: string,
  send: (key: string, ttlMs: number) => Promise<void>,
  most: number,
): PendingRevocations {
  const { clock } = connection
  const waiting = new Map<string, Waiting>()
  let moments = 0
  let failures = 0
  let timer: TimerHandle | undefined
  let replaying: Promise<boolean> | undefined
  let closed = false

  function add(key: string, ttlMs: number): void {
    const longest = Math.max(ttlMs, waiting.get(key)?.ttlMs ?? 0)
    waiting.set(key, { ttlMs: longest, since: ++moments })
    // Too many to remember one by one: rather everybody logs in again than one of them is forgotten.
    if (waiting.size > most && key !== all) {
      let longestMs = 0
      for (const it of waiting.values()) longestMs = Math.max(longestMs, it.ttlMs)
      waiting.clear()
      waiting.set(all, { ttlMs: longestMs, since: ++moments })
    }
    retryLater()
  }

  function settle(key: string, moment: number): void {
    if ((waiting.get(key)?.since ?? Infinity) <= moment) waiting.delete(key)
  }

  async function sendAll(): Promise<boolean> {
    const sent = [...waiting]
    for (let at = 0; at < sent.length; at += AT_ONCE) {
      const results = await Promise.all(
        sent.slice(at, at + AT_ONCE).map(([key, { ttlMs, since }]) =>
          send(key, ttlMs).then(
            () => {
              settle(key, since)
              return true
            },
            () => false,
          ),
        ),
      )
      if (!results.includes(true)) break
    }
    return waiting.size === 0
  }

  function replay(): Promise<boolean> {
    if (waiting.size === 0) return Promise.resolve(true)
    replaying ??= sendAll().then((done) => {
      replaying = undefined
      failures = done ? 0 : failures + 1
      if (!done) retryLater()
      return done
    })
    return replaying
  }

  function retryLater(): void {
    if (timer !== undefined || closed || replaying !== undefined) return
    const ms = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10))
    timer = clock.setTimer(
      () => {
        timer = undefined
        if (connection.available) void replay()
        else if (waiting.size > 0) retryLater()
      },
      ms,
      { unref: true },
    )
  }

  const stopListening = connection.onAvailability((available) => {
    if (!available || waiting.size === 0) return
    failures = 0
    void replay()
  })

  return {
    get size() {
      return waiting.size
    },
    has: (key) => waiting.size > 0 && (waiting.has(key) || waiting.has(all)),
    moment: () => moments,
    add,
    settle,
    replay,
    async close() {
      if (closed) return
      closed = true
      stopListening()
      if (timer !== undefined) clock.clearTimer(timer)
      timer = undefined
      if (connection.available) await replay()
    },
  }
}
