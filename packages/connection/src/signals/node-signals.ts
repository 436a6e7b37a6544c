import type { Clock, TimerHandle } from '../clock.ts'
import { backOff } from './back-off.ts'
import type { SignalSource } from './signal-client.ts'
import { openSignalLink, type SignalLink } from './signal-link.ts'

/** What a server is to tell about. */
export interface Wanted {
  readonly prefixes: readonly string[]
  readonly channels: ReadonlySet<string>
}

export interface NodeOptions {
  readonly name: string
  readonly clock: Clock
  readonly deadlineMs: number
  /** Where to connect to; undefined or ended when the server has left. */
  source(): SignalSource | undefined
  wanted(): Wanted
  /** Identity of the server that the shared connection speaks with, when it is known. */
  sharedRunId(): string | undefined
  onKeys(keys: readonly Buffer[] | null): void
  onMessage(channel: string, message: string): void
  /** The phase or what is covered has changed; asks for {@link NodeSignals.update} too. */
  onChange(): void
}

export interface NodeSignals {
  readonly name: string
  readonly phase: 'off' | 'arming' | 'on' | 'lost'
  /** The armed connection. */
  readonly live: SignalLink | undefined
  /** Why it was lost or could not be armed, last time. */
  readonly reason: string | undefined
  /** Brings the connection to what is wanted now; closes it when that is nothing. */
  update(): void
  /** Tries again now instead of after the back-off, and checks the server's identity. */
  sharedReady(): void
  /** Closes its connections, resolves when all sockets are gone; {@link update} opens them again. */
  rest(): Promise<void>
}

/** Keeps one armed connection to one server, replacing it without a gap when prefixes are added. */
export function createNodeSignals(options: NodeOptions): NodeSignals {
  const { clock, name } = options
  let live: SignalLink | undefined
  let next: SignalLink | undefined
  const old = new Set<SignalLink>()
  const closing = new Set<Promise<void>>()
  let lost = false
  let reason: string | undefined
  let failures = 0
  let changing = false
  let retry: TimerHandle | undefined

  function update(): void {
    const { prefixes, channels } = options.wanted()
    if (prefixes.length === 0 && channels.size === 0) return void rest()
    live?.setChannels(channels)
    if (live !== undefined && prefixes.every((prefix) => live?.prefixes.has(prefix))) return
    if (next === undefined && retry === undefined) open(prefixes)
  }

  function open(prefixes: readonly string[]): void {
    const source = options.source()
    if (source === undefined || source.status === 'end') {
      failed('client-ended')
      return
    }
    next = openSignalLink({
      source,
      clock,
      deadlineMs: options.deadlineMs,
      prefixes,
      channels: () => [...options.wanted().channels],
      acceptServer: agrees,
      onKeys: (keys) => options.onKeys(keys),
      onMessage: (channel, message) => options.onMessage(channel, message),
      onChannels: changeSoon,
      onArmed,
      onProven: (link) => {
        if (link === live) failures = 0
      },
      onDown,
    })
  }

  function agrees(runId: string | undefined): boolean {
    const shared = options.sharedRunId()
    return shared === undefined || runId === undefined || shared === runId
  }

  function onArmed(link: SignalLink): void {
    if (link !== next) return
    next = undefined
    const before = live
    live = link
    lost = false
    reason = undefined
    if (before !== undefined) void replace(before)
    // The shared connection may have moved since this one looked.
    if (agrees(link.armed?.runId)) options.onChange()
    else link.fail('other-server')
  }

  /** What the old connection was sent before the new one was armed may still be on its way. */
  async function replace(before: SignalLink): Promise<void> {
    old.add(before)
    const complete = await before.drain()
    if (old.delete(before) && !complete) options.onKeys(null)
  }

  function onDown(link: SignalLink, why: string): void {
    if (link === live) {
      live = undefined
      failed(why)
    } else if (link === next) {
      next = undefined
      failed(why)
    }
  }

  function failed(why: string): void {
    reason = why
    if (live === undefined) lost = true
    if (next === undefined && retry === undefined) {
      retry = clock.setTimer(tryAgain, backOff(failures), { unref: true })
      failures += 1
    }
    options.onChange()
  }

  function tryAgain(): void {
    retry = undefined
    update()
  }

  /** Replies that were read together are one change. */
  function changeSoon(): void {
    if (changing) return
    changing = true
    queueMicrotask(() => {
      changing = false
      options.onChange()
    })
  }

  async function rest(): Promise<void> {
    const links = [live, next, ...old]
    live = next = undefined
    old.clear()
    lost = false
    reason = undefined
    failures = 0
    if (retry !== undefined) clock.clearTimer(retry)
    retry = undefined
    for (const link of links) if (link !== undefined) closing.add(link.close())
    await Promise.all(closing)
    closing.clear()
  }

  return {
    name,
    get phase() {
      if (live !== undefined) return 'on'
      if (lost) return 'lost'
      return next === undefined ? 'off' : 'arming'
    },
    get live() {
      return live
    },
    get reason() {
      return reason
    },
    update,
    sharedReady() {
      if (live !== undefined && !agrees(live.armed?.runId)) live.fail('other-server')
      if (retry === undefined) return
      clock.clearTimer(retry)
      tryAgain()
    },
    rest,
  }
}
