import {
  type Connection,
  isCorralError,
  type SignalState,
  type TimerHandle,
} from '@corral/connection'

/**
 * - `starting`: not read yet
 * - `ready`: every change is told within a round trip; on a connection with `signals: false` nothing is,
 *   and the copy is read again every few seconds
 * - `stale`: signals are lost; the copy is read again every few seconds while Redis answers
 * - `closed`
 */
export type FlagState = 'starting' | 'ready' | 'stale' | 'closed'

/** A copy of the flags in this process. */
export interface FlagMirror {
  readonly state: FlagState
  /** JSON of each flag by name. */
  readonly texts: ReadonlyMap<string, string>
  /** Begins to listen and read; idempotent. */
  start(): void
  /** Whether the flags were read after so many ms; left out: resolves when they were, or at the end. */
  whenRead(mostMs?: number): Promise<boolean>
  /** Reads again now; for one's own writes. Rejects as a read does. */
  refresh(): Promise<void>
  close(): void
}

export interface MirrorListener {
  changed(names: readonly string[]): void
  state(state: FlagState): void
}

/** Between two reads while nobody tells about changes. */
const POLL_MS = 5_000
/** After a read that failed. */
const RETRY_MS = 500

export function createFlagMirror(
  connection: Connection,
  key: string,
  channel: string,
  listener: MirrorListener,
): FlagMirror {
  const { clock } = connection
  let texts = new Map<string, string>()
  let state: FlagState = 'starting'
  let stops: (() => void)[] | undefined
  let timer: TimerHandle | undefined
  let reading: Promise<void> | undefined
  let again = false
  let read = false
  const waiting = new Set<() => void>()
  /** Changes by anybody, or by Corral alone on servers without tracking; either will do. */
  const heard = { keys: 'arming' as SignalState, channel: 'arming' as SignalState }

  function hearing(): boolean {
    return heard.keys === 'on' || heard.channel === 'on'
  }

  function become(next: FlagState): void {
    if (state === next || state === 'closed') return
    state = next
    listener.state(next)
  }

  function note(source: keyof typeof heard, next: SignalState): void {
    heard[source] = next
    if (!hearing()) {
      if (read && (heard.keys === 'lost' || heard.channel === 'lost')) become('stale')
      schedule(POLL_MS)
      return
    }
    // Something may have changed before this was heard.
    dirty()
  }

  function schedule(ms: number): void {
    if (state === 'closed') return
    if (timer !== undefined) clock.clearTimer(timer)
    timer = clock.setTimer(dirty, ms, { unref: true })
  }

  /** Reads, at most one at a time; what comes meanwhile leads to one more. */
  function dirty(): void {
    if (state === 'closed') return
    refresh().catch((error: unknown) => {
      if (!isCorralError(error)) throw error
      if (error.code === 'CONNECTION_CLOSED') close()
      else schedule(RETRY_MS)
    })
  }

  function refresh(): Promise<void> {
    if (reading !== undefined) {
      again = true
      return reading
    }
    reading = readUntilStill()
    return reading
  }

  async function readUntilStill(): Promise<void> {
    try {
      do {
        again = false
        const reply = await connection.read({ name: 'HGETALL', key })
        take(reply as string[])
      } while (again)
    } finally {
      // In the step of the last look at `again`: who asks after that must get a read of his own.
      reading = undefined
    }
  }

  function take(reply: readonly string[]): void {
    if (state === 'closed') return
    const next = new Map<string, string>()
    for (let i = 0; i < reply.length; i += 2) next.set(reply[i]!, reply[i + 1]!)
    const changed = [...new Set([...texts.keys(), ...next.keys()])].filter(
      (name) => texts.get(name) !== next.get(name),
    )
    texts = next
    read = true
    wake()
    if (hearing() || state === 'starting') become('ready')
    if (!hearing()) schedule(POLL_MS)
    if (changed.length > 0) listener.changed(changed)
  }

  function wake(): void {
    for (const resolve of waiting) resolve()
    waiting.clear()
  }

  function listen(): void {
    stops = [
      connection.signals.watch(key, {
        keys: dirty,
        flush: dirty,
        state: (next) => note('keys', next),
      }),
      connection.signals.subscribe(channel, {
        message: dirty,
        state: (next) => note('channel', next),
      }),
      connection.onAvailability((available) => {
        if (available) dirty()
      }),
    ]
  }

  function close(): void {
    become('closed')
    for (const stop of stops ?? []) stop()
    if (timer !== undefined) clock.clearTimer(timer)
    wake()
  }

  return {
    get state() {
      return state
    },
    get texts() {
      return texts
    },
    start() {
      if (stops !== undefined || state === 'closed') return
      try {
        listen()
        dirty()
      } catch (error) {
        if (!isCorralError(error, 'CONNECTION_CLOSED')) throw error
        close()
      }
    },
    async whenRead(mostMs) {
      if (read || state === 'closed') return read
      let late: TimerHandle | undefined
      await new Promise<void>((resolve) => {
        waiting.add(resolve)
        if (mostMs === undefined) return
        late = clock.setTimer(() => {
          waiting.delete(resolve)
          resolve()
        }, mostMs)
      })
      if (late !== undefined) clock.clearTimer(late)
      return read
    },
    refresh,
    close,
  }
}
