import type { Latencies } from '../latency/latencies.ts'
import { createLabelCounts, type LabelCounts } from './label-counts.ts'
import { isOf, listen, type Origin, type Tagged } from './listen.ts'

/** What is counted from the messages of a lock service. */
export interface LocksEventCounts {
  acquired: number
  released: number
  /** Lost before they were given back. */
  lost: number
}

type Waited = Tagged & { readonly waited: number }

export interface LocksEvents {
  readonly counts: Readonly<LocksEventCounts>
  /** Calls that ended without the lock, by error code. */
  readonly refused: LabelCounts<'code'>
  stop(): void
}

const mostCodes = 20

/** Hears what one lock service tells. */
export function listenToLocks(origin: Origin, latencies: Latencies): LocksEvents {
  const counts: LocksEventCounts = { acquired: 0, released: 0, lost: 0 }
  const refused = createLabelCounts(['code'], mostCodes)
  const wait = latencies.of('lock-wait')

  const stop = listen({
    'corral:locks:acquired': (message: Waited) => {
      if (!isOf(origin, message)) return
      counts.acquired++
      wait(message.waited)
    },
    'corral:locks:released': (message: Tagged) => {
      if (isOf(origin, message)) counts.released++
    },
    'corral:locks:lost': (message: Tagged) => {
      if (isOf(origin, message)) counts.lost++
    },
    'corral:locks:refused': (message: Waited & { readonly code: string }) => {
      if (isOf(origin, message)) refused.add(message.code)
    },
  })
  return { counts, refused, stop }
}
