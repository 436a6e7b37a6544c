import type { Connection, KeyListener, SignalState } from '@corral/connection'
import { fakeClock, type FakeClock } from '@corral/testing'

/** A read or a script that the test answers. */
export interface FakeCall {
  readonly what: string
  readonly keys: readonly string[]
  readonly args: readonly unknown[]
  answer(reply: unknown): Promise<void>
  fail(error: Error): Promise<void>
}

/** A connection whose replies and signals come when, and in the order, that a test wants. */
export interface FakeConnection {
  readonly connection: Connection
  readonly clock: FakeClock
  readonly calls: FakeCall[]
  /** The next call that is not answered yet. */
  next(): FakeCall
  /** How many calls are not answered. */
  readonly open: number
  signal(...keys: string[]): void
  flush(): void
  state(state: SignalState): void
  available(now: boolean): void
  serverNow: number | undefined
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export function fakeConnection(options: { readonly isCluster?: boolean } = {}): FakeConnection {
  const clock = fakeClock()
  const calls: FakeCall[] = []
  const waiting: FakeCall[] = []
  const watched = new Map<string, Set<KeyListener>>()
  const listeners = new Set<(available: boolean) => void>()
  let available = true

  function call(what: string, keys: readonly string[], args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const it: FakeCall = {
        what,
        keys,
        args,
        answer: (reply) => {
          resolve(reply)
          return settle()
        },
        fail: (error) => {
          reject(error)
          return settle()
        },
      }
      calls.push(it)
      waiting.push(it)
    })
  }

  function each(tell: (listener: KeyListener, prefix: string) => void): void {
    for (const [prefix, group] of watched) for (const listener of group) tell(listener, prefix)
  }

  const fake: FakeConnection = {
    clock,
    calls,
    serverNow: undefined,
    get open() {
      return waiting.length
    },
    next() {
      const it = waiting.shift()
      if (it === undefined) throw new Error('nothing was asked of Redis')
      return it
    },
    signal(...keys) {
      each((listener, prefix) => {
        const own = keys.filter((key) => key.startsWith(prefix))
        if (own.length > 0) listener.keys(own)
      })
    },
    flush: () => each((listener) => listener.flush()),
    state(state) {
      each((listener) => {
        if (state === 'on') listener.flush()
        listener.state(state)
      })
    },
    available(now) {
      available = now
      for (const listener of listeners) listener(now)
    },
    connection: {
      isCluster: options.isCluster === true,
      clock,
      deadlineMs: 200,
      get available() {
        return available
      },
      serverNow: () => fake.serverNow,
      get: (key: string) => call('get', [key], []),
      script: (script: { name: string }, keys: readonly string[], args: readonly unknown[]) =>
        call(script.name, keys, args),
      scriptMany: (script: { name: string }, keys: readonly string[], args: readonly unknown[]) =>
        call(script.name, keys, args),
      info: (section: string) => call('info', [section], []),
      onAvailability(listener: (available: boolean) => void) {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      signals: {
        state: 'off',
        tracking: true,
        watch(prefix: string, listener: KeyListener) {
          const group = watched.get(prefix) ?? new Set()
          watched.set(prefix, group.add(listener))
          return () => void group.delete(listener)
        },
      },
    } as unknown as Connection,
  }
  return fake
}
