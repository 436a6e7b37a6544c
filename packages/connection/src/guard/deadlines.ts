import type { Clock, TimerHandle } from '../clock.ts'

/** Something that fails when its time is over. */
export interface Expirable {
  readonly deadlineAt: number
  /** True once nobody waits for it any more. */
  settled: boolean
  expire(): void
}

export interface Deadlines {
  /** Watches an item whose deadline lies `durationMs` after the others of that duration. */
  add(item: Expirable, durationMs: number): void
  /** Forgets settled items at the front; cheap, called whenever something settled. */
  prune(durationMs: number): void
  close(): void
}

/** A timer later than this was held up by a busy event loop, and so were replies. */
const STALL_MS = 20

interface Lane {
  items: (Expirable | undefined)[]
  head: number
}

/**
 * All deadlines on one timer. Items of one duration are asked for in the order of their deadlines,
 * so each duration is a plain queue and only its head matters.
 */
export function createDeadlines(clock: Clock): Deadlines {
  const lanes = new Map<number, Lane>()
  let timer: TimerHandle | undefined
  let armedFor = Infinity
  let checking = false

  function skipSettled(lane: Lane): Expirable | undefined {
    for (;;) {
      const item = lane.items[lane.head]
      if (item === undefined) {
        lane.items.length = 0
        lane.head = 0
        return undefined
      }
      if (!item.settled) return item
      lane.items[lane.head++] = undefined
      if (lane.head > 1024) {
        lane.items.splice(0, lane.head)
        lane.head = 0
      }
    }
  }

  function arm(at: number): void {
    if (checking || at >= armedFor) return
    if (timer !== undefined) clock.clearTimer(timer)
    armedFor = at
    timer = clock.setTimer(onTimer, Math.max(0, Math.ceil(at - clock.now())))
  }

  function onTimer(): void {
    const late = clock.now() - armedFor
    timer = undefined
    armedFor = Infinity
    checking = true
    // Replies that are already in the socket count: read them before anything is declared late.
    // After a stall one more round, as much may have piled up.
    clock.afterIo(() => (late > STALL_MS ? clock.afterIo(check) : check()))
  }

  function check(): void {
    checking = false
    const now = clock.now()
    let earliest = Infinity
    for (const lane of lanes.values()) {
      let item = skipSettled(lane)
      while (item !== undefined && item.deadlineAt <= now) {
        item.settled = true
        item.expire()
        item = skipSettled(lane)
      }
      if (item !== undefined && item.deadlineAt < earliest) earliest = item.deadlineAt
    }
    if (earliest !== Infinity) arm(earliest)
  }

  return {
    add(item, durationMs) {
      let lane = lanes.get(durationMs)
      if (lane === undefined) lanes.set(durationMs, (lane = { items: [], head: 0 }))
      lane.items.push(item)
      arm(item.deadlineAt)
    },
    prune(durationMs) {
      const lane = lanes.get(durationMs)
      if (lane !== undefined) skipSettled(lane)
    },
    close() {
      if (timer !== undefined) clock.clearTimer(timer)
      timer = undefined
      armedFor = Infinity
      lanes.clear()
    },
  }
}
