import type { Clock } from '../clock.ts'
import { arm, ArmingFailed, errorCode, INVALIDATION_CHANNEL, replyCode, type Armed } from './arm.ts'
import { createLinkTimer } from './link-timer.ts'
import { duplicateForSignals, type SignalClient, type SignalSource } from './signal-client.ts'

/** How often a connection is asked whether it lives; with `deadlineMs` the bound of a silent loss. */
const HEARTBEAT_MS = 950
/** Longest silence between two steps of arming (connect, TLS, each reply). */
const STEP_MS = 1_000

export interface LinkOptions {
  readonly source: SignalSource
  readonly clock: Clock
  readonly deadlineMs: number
  /** Sorted, without overlaps; fixed for the life of the connection. */
  readonly prefixes: readonly string[]
  readonly channels: () => readonly string[]
  readonly acceptServer: (runId: string | undefined) => boolean
  /** Keys that changed; null when everything may have. */
  onKeys(keys: readonly Buffer[] | null): void
  onMessage(channel: string, message: string): void
  onArmed(link: SignalLink): void
  /** The connection has answered a heartbeat: it is worth a fresh start of the back-off. */
  onProven(link: SignalLink): void
  /** Comes once, in whatever state, unless {@link SignalLink.close} came first. */
  onDown(link: SignalLink, reason: string): void
  /** The set of channels that are confirmed has changed. */
  onChannels(): void
}

/** One connection to one server; used once. */
export interface SignalLink {
  readonly prefixes: ReadonlySet<string>
  /** Undefined until armed. */
  readonly armed: Armed | undefined
  /** Confirmed by the server. */
  readonly channels: ReadonlySet<string>
  /** Refused by the server. */
  readonly refused: ReadonlySet<string>
  /** Brings the subscriptions of an armed connection to `wanted`. */
  setChannels(wanted: ReadonlySet<string>): void
  /** Reads everything that the server sent before now, then closes; false: that did not work. */
  drain(): Promise<boolean>
  /** Ends it as broken: `onDown` is called. */
  fail(reason: string): void
  /** Resolves when the socket is gone. */
  close(): Promise<void>
}

/** Opens a connection and arms it. */
export function openSignalLink(options: LinkOptions): SignalLink {
  const { clock, deadlineMs } = options
  const prefixes = new Set(options.prefixes)
  const channels = new Set<string>()
  const refused = new Set<string>()
  // Sent and not confirmed yet, so that nothing is asked for twice.
  const asked = new Set<string>()
  let armed: Armed | undefined
  let state: 'open' | 'down' | 'closed' = 'open'
  let draining = false
  let received = 0
  // Why the client gave up, where it says so.
  let cause: string | undefined
  let client: SignalClient | undefined
  let gone: Promise<void> = Promise.resolve()
  const timer = createLinkTimer(clock, () => received)

  const link: SignalLink = {
    prefixes,
    channels,
    refused,
    get armed() {
      return armed
    },
    setChannels,
    drain,
    fail,
    close,
  }

  function end(how: 'down' | 'closed'): void {
    state = how
    timer.clear()
    client?.removeListener('messageBuffer', onMessage)
    client?.removeListener('close', onClose)
    client?.disconnect()
  }

  function fail(reason: string): void {
    if (state !== 'open') return
    end('down')
    options.onDown(link, reason)
  }

  function close(): Promise<void> {
    if (state === 'open') end('closed')
    return gone
  }

  function onClose(): void {
    fail(cause ?? 'closed')
  }

  function onMessage(channel: Buffer, payload: Buffer | readonly Buffer[] | null): void {
    received += 1
    const name = channel.toString()
    if (name !== INVALIDATION_CHANNEL) {
      options.onMessage(name, String(payload ?? ''))
    } else {
      // Anything but a list of keys is taken for "everything": the safe reading.
      options.onKeys(Array.isArray(payload) && payload.length > 0 ? payload : null)
    }
  }

  async function start(): Promise<void> {
    const step = (): void => {
      received += 1
      timer.expect(Math.max(STEP_MS, deadlineMs), () => fail('arming-timeout'))
    }
    // Nobody is told anything before they hold the link.
    await Promise.resolve()
    if (state !== 'open') return
    try {
      step()
      const opened = duplicateForSignals(options.source, Math.max(STEP_MS, deadlineMs))
      client = opened
      gone = new Promise((resolve) => opened.on('end', resolve))
      // Without a listener ioredis prints them; that it is over is told by `close` and `end`.
      opened.on('error', (error: unknown) => (cause ??= errorCode(error)))
      opened.on('close', onClose)
      opened.on('end', onClose)
      opened.on('messageBuffer', onMessage)
      await opened.connect()
      // The process lives as long as the connection that this one goes with, no longer.
      opened.stream?.unref?.()
      if (state !== 'open') return
      step()
      const result = await arm(opened, options)
      if (state !== 'open') return
      for (const channel of result.channels) channels.add(channel)
      for (const channel of result.refused) refused.add(channel)
      armed = result
      beatLater(opened)
      options.onArmed(link)
    } catch (error) {
      const reason = error instanceof ArmingFailed ? error.reason : errorCode(error)
      fail(reason ?? cause ?? 'closed')
    }
  }

  function beatLater(opened: SignalClient): void {
    timer.after(HEARTBEAT_MS, () => {
      timer.expect(deadlineMs, () => fail('no-pong'))
      opened.ping().then(
        () => {
          if (state !== 'open' || draining) return
          beatLater(opened)
          options.onProven(link)
        },
        () => fail('closed'),
      )
    })
  }

  function setChannels(wanted: ReadonlySet<string>): void {
    const opened = client
    if (state !== 'open' || armed === undefined || opened === undefined) return
    for (const channel of wanted) {
      if (channels.has(channel) || refused.has(channel) || asked.has(channel)) continue
      asked.add(channel)
      opened.subscribe(channel).then(
        () => {
          asked.delete(channel)
          channels.add(channel)
          if (state === 'open') options.onChannels()
        },
        (error: unknown) => {
          asked.delete(channel)
          if (replyCode(error) === undefined) return fail('closed')
          refused.add(channel)
          if (state === 'open') options.onChannels()
        },
      )
    }
    for (const channel of channels) {
      if (wanted.has(channel)) continue
      channels.delete(channel)
      opened.unsubscribe(channel).catch(() => fail('closed'))
    }
  }

  async function drain(): Promise<boolean> {
    const opened = client
    if (state !== 'open' || opened === undefined) return false
    draining = true
    const drained = await new Promise<boolean>((resolve) => {
      timer.expect(deadlineMs, () => resolve(false))
      // Its pong comes behind everything that was sent before.
      opened.ping().then(
        () => resolve(true),
        () => resolve(false),
      )
    })
    await close()
    return drained
  }

  void start()
  return link
}
