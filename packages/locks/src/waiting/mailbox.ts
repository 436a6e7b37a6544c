import { randomUUID } from 'node:crypto'
import type { Connection, SignalState } from '@corral/connection'

/** Where this process hears that a lock was handed to one of its waiters. */
export interface Mailbox {
  /** What entries in a line say; undefined before the first wait, `-` while nothing can be heard. */
  readonly address: string | undefined
  readonly hears: boolean
  /** Opens it with the first wait; resolves when it hears, or when it is clear that it may not. */
  open(): Promise<void>
  /** Calls `told` when the lock is handed to `token`, also if that was heard a moment ago. */
  expect(token: string, told: () => void): void
  forget(token: string): void
  /** Tells who expects it that the lock was handed to `token`. */
  hear(token: string): void
  /** Calls back when hearing began or ended; returns how to stop that. */
  onChange(listener: () => void): () => void
  close(): void
}

/** Word can come before the answer to the request that asked for it; so many are kept. */
const MOST_EARLY = 1_000

export function createMailbox(connection: Connection): Mailbox {
  const { signals } = connection
  const channel = `corral:locks:${randomUUID()}`
  const expected = new Map<string, () => void>()
  const early = new Set<string>()
  const listeners = new Set<() => void>()
  let opening: Promise<void> | undefined
  let settled = false
  let state: SignalState = 'off'
  let unsubscribe: (() => void) | undefined

  function hear(token: string): void {
    const told = expected.get(token)
    if (told !== undefined) return told()
    early.add(token)
    if (early.size > MOST_EARLY) for (const oldest of early) return void early.delete(oldest)
  }

  function onState(next: SignalState): void {
    const heard = state === 'on'
    state = next
    if (heard !== (next === 'on')) for (const listener of listeners) listener()
  }

  async function start(): Promise<void> {
    try {
      unsubscribe = signals.subscribe(channel, {
        message: (message) => hear(message.slice(message.lastIndexOf(' ') + 1)),
        state: onState,
      })
      // Off, though somebody listens: they were switched off and will not come.
      if (signals.state !== 'off') await signals.whenOn(connection.deadlineMs)
    } catch {
      // Waiters look by themselves, and are told when signals come later.
    }
    settled = true
  }

  return {
    get address() {
      if (!settled) return undefined
      return state === 'on' ? channel : '-'
    },
    get hears() {
      return state === 'on'
    },
    open: () => (opening ??= start()),
    expect(token, told) {
      expected.set(token, told)
      if (early.delete(token)) told()
    },
    hear,
    forget: (token) => void expected.delete(token),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close() {
      unsubscribe?.()
      expected.clear()
      early.clear()
      listeners.clear()
    },
  }
}
