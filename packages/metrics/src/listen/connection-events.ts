import type { Latencies } from '../latency/latencies.ts'
import { createLabelCounts, type LabelCounts } from './label-counts.ts'
import { isOf, listen, type Origin, type Tagged } from './listen.ts'

/** What a breaker can be in. */
export type BreakerState = 'closed' | 'open' | 'half-open'

/** A breaker changed. */
export interface BreakerTransition {
  /** Epoch ms of this machine. */
  readonly at: number
  /** `host:port`. */
  readonly node: string
  readonly side: 'read' | 'write'
  readonly from: BreakerState
  readonly to: BreakerState
  readonly reason: string
}

/** How commands of ours ended. */
export interface CommandCounts {
  /** Commands that were answered. */
  ok: number
  /** Commands that Redis answered with an error. */
  error: number
  /** Commands whose callers' time was over before the answer. */
  deadline: number
  /** Commands whose socket died. */
  lost: number
  /** Calls that shared them. */
  calls: number
}

type Command = Tagged & {
  readonly duration: number
  readonly calls: number
  readonly outcome: 'ok' | 'error' | 'deadline' | 'lost'
}

export interface ConnectionEvents {
  readonly commands: Readonly<CommandCounts>
  /** The last 100, oldest first. */
  readonly recent: readonly BreakerTransition[]
  /** All of them, by node, side and new state. */
  readonly transitions: LabelCounts<'node' | 'side' | 'to'>
  stop(): void
}

const mostRecent = 100
/** Nodes come and go in a cluster; what is beyond is told as `other`. */
const mostTransitions = 256

/** Hears what one connection tells. */
export function listenToConnection(
  origin: Origin,
  latencies: Latencies,
  wallNow: () => number,
): ConnectionEvents {
  const commands: CommandCounts = { ok: 0, error: 0, deadline: 0, lost: 0, calls: 0 }
  const recent: BreakerTransition[] = []
  const transitions = createLabelCounts(['node', 'side', 'to'], mostTransitions)
  const command = latencies.of('command')

  const stop = listen({
    'corral:connection:command': (message: Command) => {
      if (!isOf(origin, message)) return
      commands[message.outcome]++
      commands.calls += message.calls
      command(message.duration)
    },
    'corral:connection:breaker': (message: Tagged & Omit<BreakerTransition, 'at'>) => {
      if (!isOf(origin, message)) return
      const { node, side, from, to, reason } = message
      if (recent.length === mostRecent) recent.shift()
      recent.push({ at: wallNow(), node, side, from, to, reason })
      transitions.add(node, side, to)
    },
  })
  return { commands, recent, transitions, stop }
}
