import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis'
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5'
import { systemClock } from '../../src/clock.ts'
import {
  createSignals,
  type OwnedSignals,
  type SignalsDeps,
} from '../../src/signals/create-signals.ts'
import type { SignalSource } from '../../src/signals/signal-client.ts'
import type { ChannelListener, KeyListener, SignalState } from '../../src/signals/signals.ts'

export const DEADLINE_MS = 200

/** Both majors; the older one's types are near enough to the newer one's. */
export interface Major {
  readonly major: 5 | 6
  readonly Redis: typeof Redis6
  readonly Cluster: typeof Cluster6
}

export const majors: readonly Major[] = [
  { major: 6, Redis: Redis6, Cluster: Cluster6 },
  {
    major: 5,
    Redis: Redis5 as unknown as typeof Redis6,
    Cluster: Cluster5 as unknown as typeof Cluster6,
  },
]

export interface TestSignals extends OwnedSignals {
  readonly warnings: string[]
}

/** Signals of one client, as the guard makes them. */
export function signalsOf(client: SignalSource, changes: Partial<SignalsDeps> = {}): TestSignals {
  const warnings: string[] = []
  const signals = createSignals({
    source: { kind: 'connection', name: 'redis' },
    clock: systemClock,
    deadlineMs: DEADLINE_MS,
    enabled: true,
    masters: () => [{ name: 'redis', client }],
    onTopology: () => () => {},
    warn: (code, message) => warnings.push(`${code}: ${message}`),
    ...changes,
  })
  return Object.assign(signals, { warnings })
}

export interface KeyLog extends KeyListener {
  /** Everything told, in order: keys, 'flush', or a state in capitals. */
  readonly events: string[]
  readonly seen: Set<string>
  /** When each key was told first, in epoch milliseconds. */
  readonly times: Map<string, number>
  state(state: SignalState): void
  clear(): void
}

export function keyLog(): KeyLog {
  const events: string[] = []
  const seen = new Set<string>()
  const times = new Map<string, number>()
  return {
    events,
    seen,
    times,
    keys(keys) {
      const now = epoch()
      for (const key of keys) {
        events.push(key)
        seen.add(key)
        if (!times.has(key)) times.set(key, now)
      }
    },
    flush: () => void events.push('flush'),
    state: (state) => void events.push(state.toUpperCase()),
    clear() {
      events.length = 0
      seen.clear()
      times.clear()
    },
  }
}

export function channelLog(): ChannelListener & { readonly events: string[] } {
  const events: string[] = []
  return {
    events,
    message: (message) => void events.push(message),
    state: (state) => void events.push(state.toUpperCase()),
  }
}

/** Epoch milliseconds with fractions, the same in all processes of a machine. */
export function epoch(): number {
  return performance.timeOrigin + performance.now()
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
